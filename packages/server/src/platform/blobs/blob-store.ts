import type { Readable } from 'node:stream';

/**
 * The port for large things: audio, archives. Keys are relative paths of `[A-Za-z0-9._/-]`, never
 * with `..` or an empty segment; an adapter refuses others (`invalid_request`). A blob appears
 * whole or not at all: readers never see a partial write, also after a kill.
 */
export interface PutOptions {
  readonly contentType: string;
  /** More bytes than this abort the write with `payload_too_large`; nothing remains. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

export interface BlobInfo {
  readonly key: string;
  readonly sizeBytes: number;
  readonly contentType: string;
}

export interface ByteRange {
  /** First byte, inclusive. */
  readonly start: number;
  /** Last byte, inclusive. */
  readonly end: number;
}

export interface BlobStore {
  readonly adapter: string;
  /** Whether the store cools and deletes by age itself, by a policy that is set where it is. */
  readonly managesLifecycle: boolean;
  /**
   * Streams with constant memory and always consumes or destroys the body. `storage_full` when
   * there is no space left; `conflict` when another writer of the same key got in the way.
   */
  put(key: string, body: Readable, options: PutOptions): Promise<BlobInfo>;
  /** Null when absent. The caller must consume or destroy the body. */
  get(key: string, range?: ByteRange): Promise<{ info: BlobInfo; body: Readable } | null>;
  head(key: string): Promise<BlobInfo | null>;
  /** True when something was deleted; an absent key is no error. */
  delete(key: string): Promise<boolean>;
  /** Keys below a prefix, in no particular order. */
  list(prefix: string): AsyncIterable<string>;
  /** The blob's address without credentials; not readable by itself. */
  url(key: string): string;
  /** An address that anyone holding it may read until it expires. */
  signedUrl(key: string, expiresInS: number): Promise<string>;
  ping(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}
