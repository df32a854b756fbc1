/** A self-signed certificate for `localhost` and 127.0.0.1, for tests of TLS. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findBinary } from './binaries.ts';

const run = promisify(execFile);

export interface Certificate {
  /** Its own authority: clients trust it with `ca: certPem`. */
  readonly certPem: string;
  readonly keyPem: string;
}

/** Makes a new key and a certificate that is valid for two days. */
export async function createCertificate(): Promise<Certificate> {
  const openssl = await findBinary({ names: ['openssl'], aptPackage: 'openssl' });
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-certificate-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  try {
    await run(openssl, [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ]);
    return { certPem: await readFile(cert, 'utf8'), keyPem: await readFile(key, 'utf8') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
