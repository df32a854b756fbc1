import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { z } from 'zod';
import { HoldfastError } from '../../kernel/index.ts';
import { type BlobStore, getSealed, putSealed } from '../../platform/blobs/index.ts';
import type { Sealer } from '../../platform/secrets/index.ts';
import type { Sandbox, SandboxMounts } from '../sandbox/index.ts';
import { limited } from './quarantine.ts';
import type { RunObjects } from './run-objects.ts';
import { ignoreOutput, runScript } from './run-script.ts';
import { PACK_HOME, UNPACK_HOME } from './scripts.ts';
import type { Checkpoint, KeptHome, SavedWork, Snapshot, WorkspaceLimits } from './workspace.ts';

const MANIFEST_MAX_BYTES = 8_192;

/** Where checkpoints are stored; home and objects sealed with the key of their run. */
export interface BlobPorts {
  readonly blobs: BlobStore;
  readonly sealer: Pick<Sealer, 'sealStream' | 'openStream'>;
}

/** Ports and bounds of a clone and its checkpoints. */
export interface CloneDeps extends BlobPorts {
  readonly objects: RunObjects;
  readonly sandbox: Sandbox;
  readonly limits: WorkspaceLimits;
}

const commit = z.string().regex(/^[0-9a-f]{40}$/);
const checkpointSchema = z.object({
  number: z.number().int(),
  commit,
  baseCommit: commit,
  packKey: z.string().nullable(),
  homeKey: z.string(),
  sizeBytes: z.number().int(),
  manifestKey: z.string(),
  headCommit: commit,
  indexTree: commit,
});

/**
 * Writes objects and home, then the manifest, and removes checkpoints older than the one before:
 * until the caller has recorded the new one, it would restore that one. Each has a folder of its
 * own, so that a worker that lost its lease cannot overwrite its successor's.
 */
export async function saveCheckpoint(
  deps: CloneDeps,
  { runId, baseCommit }: { readonly runId: string; readonly baseCommit: string },
  taken: { readonly number: number; readonly snapshot: Snapshot; readonly home: KeptHome },
): Promise<Checkpoint> {
  const { number } = taken;
  const { changed: _, ...work } = taken.snapshot;
  const folder = `workspaces/${runId}/${number}/${randomBytes(6).toString('hex')}`;
  const pack = await savePack(deps, { subject: runId, folder }, { ...work, baseCommit });
  const place = { subject: runId, key: `${folder}/home.tar.gz` };
  const home = await putSealed(deps, place, taken.home.read(), {
    contentType: 'application/gzip',
    maxBytes: deps.limits.homeMaxBytes,
  });
  const checkpoint: Checkpoint = {
    ...work,
    number,
    baseCommit,
    packKey: pack?.key ?? null,
    homeKey: home.key,
    sizeBytes: home.sizeBytes + (pack?.sizeBytes ?? 0),
    manifestKey: `${folder}/manifest.json`,
  };
  const body = Readable.from([Buffer.from(JSON.stringify(checkpoint))]);
  await deps.blobs.put(checkpoint.manifestKey, body, {
    contentType: 'application/json',
    maxBytes: MANIFEST_MAX_BYTES,
  });
  const all = `workspaces/${runId}/`;
  for await (const key of deps.blobs.list(all)) {
    if (Number.parseInt(key.slice(all.length), 10) < number - 1) await deps.blobs.delete(key);
  }
  return checkpoint;
}

async function savePack(
  deps: CloneDeps,
  { subject, folder }: { readonly subject: string; readonly folder: string },
  work: SavedWork & { readonly baseCommit: string },
) {
  const { objects, limits } = deps;
  const { commit, headCommit, indexTree, baseCommit } = work;
  const baseTree = await objects.git(['rev-parse', '--verify', `${baseCommit}^{tree}`]);
  if (commit === baseCommit && indexTree === baseTree) return null;
  const names = [commit, headCommit, indexTree, `^${baseCommit}`];
  const body = Readable.from(objects.pack(names, limits.scriptTimeoutMs), { objectMode: false });
  const place = { subject, key: `${folder}/objects.pack` };
  const maxBytes = limits.checkpointPackMaxBytes;
  return putSealed(deps, place, body, { contentType: 'application/x-git-pack', maxBytes });
}

/**
 * Packs the run's home into a sealed file in `folder`, which a crash leaves there; the script
 * inside keeps links as links.
 */
export async function keepHome(
  { sandbox, sealer, limits }: CloneDeps,
  mounts: SandboxMounts,
  { runId, folder }: { readonly runId: string; readonly folder: string },
): Promise<KeptHome> {
  const name = `home-${randomBytes(6).toString('hex')}.tar.gz.sealed`;
  const file = join(folder, name);
  const drop = () => rm(file, { force: true });
  const request = {
    sandbox,
    mounts,
    script: PACK_HOME,
    env: {},
    what: "saving the run's home",
    timeoutMs: limits.scriptTimeoutMs,
  };
  try {
    await runScript(request, output =>
      pipeline(
        limited(output, limits.homeMaxBytes),
        createGzip({ level: 1 }),
        plain => sealer.sealStream(runId, name, plain),
        createWriteStream(file, { flags: 'wx', mode: 0o600 }),
      ),
    );
  } catch (error) {
    await drop();
    throw error;
  }
  const read = () =>
    Readable.from(sealer.openStream(name, createReadStream(file)), { objectMode: false });
  return { read, drop };
}

/** Restores the home. An agent could change the archive, so it is unpacked inside the sandbox. */
export async function restoreHome(
  deps: CloneDeps,
  mounts: SandboxMounts,
  { homeKey }: Checkpoint,
): Promise<void> {
  const { sandbox, limits } = deps;
  const packed = await openCheckpointBlob(deps, homeKey);
  const raw = createGunzip();
  packed.on('error', error => raw.destroy(error));
  const input = Readable.from(limited(packed.pipe(raw), limits.homeMaxBytes), {
    objectMode: false,
  });
  const request = {
    sandbox,
    mounts,
    script: UNPACK_HOME,
    env: {},
    input,
    what: "restoring the run's home",
    timeoutMs: limits.scriptTimeoutMs,
  };
  try {
    await runScript(request, ignoreOutput);
  } finally {
    packed.destroy();
  }
}

export async function readCheckpoint(ports: BlobPorts, key: string): Promise<Checkpoint> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of limited(await openCheckpointBlob(ports, key), MANIFEST_MAX_BYTES)) {
    chunks.push(chunk);
  }
  try {
    return checkpointSchema.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  } catch (cause) {
    throw gone(cause);
  }
}

/** Throws `gone` where the blob is missing. */
export async function openCheckpointBlob(ports: BlobPorts, key: string): Promise<Readable> {
  const opened = await getSealed(ports, key);
  if (opened === null) throw gone();
  return opened;
}

function gone(cause?: unknown): HoldfastError {
  return new HoldfastError('gone', 'The checkpoint is no longer stored.', { cause });
}
