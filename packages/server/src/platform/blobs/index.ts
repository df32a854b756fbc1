/**
 * Large things: audio, archives. A blob appears whole or not at all, on every adapter: files are
 * written aside and renamed, Azure's blocks are committed at once. Writing and reading stream with
 * constant memory. Signed links let their holder read one blob for a while.
 *
 * Adapters (chosen in compose only): `openFilesystemBlobs` with `blobRoutes` that serve its links,
 * and `openAzureBlobs`.
 */
export { openAzureBlobs } from './azure-blobs.ts';
export { blobRoutes } from './blob-routes.ts';
export type { BlobStore, ByteRange } from './blob-store.ts';
export { parseByteRange } from './byte-range.ts';
export {
  type FilesystemBlobs,
  openFilesystemBlobs,
} from './filesystem-blobs.ts';
export { getSealed, putSealed } from './sealed-blobs.ts';
