import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Sealer, sealedBytes } from '../secrets/index.ts';
import { type BlobInfo, type BlobStore, type PutOptions, SizeLimit } from './blob-store.ts';

/** A blob store, and what seals or opens for it. */
interface Ports<B extends keyof BlobStore, S extends keyof Sealer> {
  readonly blobs: Pick<BlobStore, B>;
  readonly sealer: Pick<Sealer, S>;
}

/** Ends the keys of sealed blobs. Unsealed blobs of earlier revisions are read as they are. */
const SEALED = '.sealed';

/**
 * Puts a blob that only the subject's data key opens; answers its key, which is `key` with an
 * ending, and its size when it is opened. `maxBytes` bounds that size. Streams with constant memory
 * and always consumes or destroys the body; throws `gone` when the subject was erased.
 */
export async function putSealed(
  { blobs, sealer }: Ports<'put', 'sealStream'>,
  { subject, key }: { readonly subject: string; readonly key: string },
  body: Readable,
  { maxBytes, ...options }: PutOptions,
): Promise<BlobInfo> {
  const sealedKey = `${key}${SEALED}`;
  const limit = new SizeLimit(maxBytes);
  await pipeline(
    body,
    limit,
    plain => sealer.sealStream(subject, sealedKey, plain),
    sealed =>
      blobs.put(sealedKey, Readable.from(sealed, { objectMode: false }), {
        ...options,
        maxBytes: sealedBytes(maxBytes),
      }),
  );
  return { key: sealedKey, sizeBytes: limit.sizeBytes, contentType: options.contentType };
}

/**
 * Null when absent. The caller must consume or destroy the body; it fails with `gone` when the
 * subject was erased, `internal` when the blob was altered or lay under another key.
 */
export async function getSealed(
  { blobs, sealer }: Ports<'get', 'openStream'>,
  key: string,
): Promise<Readable | null> {
  const found = await blobs.get(key);
  if (found === null || !key.endsWith(SEALED)) return found?.body ?? null;
  const { body } = found;
  const opened = Readable.from(sealer.openStream(key, body), { objectMode: false });
  // Until the first byte is read, nothing else destroys the body.
  body.once('error', error => opened.destroy(error));
  opened.once('close', () => body.destroy());
  return opened;
}
