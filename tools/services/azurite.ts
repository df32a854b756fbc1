/**
 * Azurite, Microsoft's stand-in for Azure Blob Storage, as a child process with an account of its
 * own on a free loopback port. Files live in a temporary folder, gone after `stop()`.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { removeFolder, startChild } from './child.ts';

export interface AzuriteService {
  /** What `AZURE_STORAGE_CONNECTION_STRING` takes. */
  readonly connectionString: string;
  readonly accountName: string;
  readonly accountKey: string;
  /** `http://127.0.0.1:<port>/<account>` */
  readonly blobEndpoint: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export async function startAzurite(): Promise<AzuriteService> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-azurite-'));
  const accountName = 'holdfasttest';
  const accountKey = randomBytes(64).toString('base64');
  const manifest = createRequire(import.meta.url).resolve('azurite/package.json');
  const program = join(dirname(manifest), 'dist/src/blob/main.js');
  const child = await startChild({
    name: 'Azurite',
    command: process.execPath,
    args: [
      ...[program, '--blobHost', '127.0.0.1', '--blobPort', '0', '--location', folder],
      ...['--silent', '--disableTelemetry', '--skipApiVersionCheck'],
    ],
    env: { AZURITE_ACCOUNTS: `${accountName}:${accountKey}`, NODE_OPTIONS: '' },
    ready: /listens on (http\S+)/,
    cleanUp: () => removeFolder(folder),
  });
  const blobEndpoint = `${child.match[1]}/${accountName}`;
  const connectionString =
    `DefaultEndpointsProtocol=http;AccountName=${accountName};AccountKey=${accountKey};` +
    `BlobEndpoint=${blobEndpoint};`;
  const { pid, stop } = child;
  return { connectionString, accountName, accountKey, blobEndpoint, pid, stop };
}
