import { type Readable, Transform, type TransformCallback } from 'node:stream';
import { HoldfastError } from '../../kernel/index.ts';

/**
 * The port for large things: audio, archives. Keys are relative paths of `[A-Za-z0-9._/-]`, never
 * with `..` or an empty segment; an adapter refuses others (`invalid_request`). A blob appears
 * whole or not at all: readers never see a partial write, also after a kill.
 */
export interface PutOptions {
  readonly contentType: string;
  /**
   * Stands beside the blob: names of `[a-z_][a-z0-9_]*`, texts of printable ASCII without spaces at
   * their ends, 8 KiB together (Azure's limit).
   */
  readonly metadata?: BlobMetadata;
  /** More bytes than this abort the write with `payload_too_large`; nothing remains. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

export type BlobMetadata = Readonly<Record<string, string>>;

export interface BlobInfo {
  readonly key: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  /** Absent where none was put. */
  readonly metadata?: BlobMetadata;
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
   * there is no space left; `conflict` when another writer replaced the same key meanwhile.
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

/** The longest key: Azure's limit for blob names. */
const KEY_MAX_CHARS = 1024;
/** The longest part between two slashes: the limit of usual file systems. */
export const SEGMENT_MAX_CHARS = 255;

const SEGMENT = /^[A-Za-z0-9._-]+$/;
const PREFIX = /^[A-Za-z0-9._/-]*$/;

/**
 * Refuses every key that is not a plain relative path. This is what keeps a key inside of its
 * folder, so it stands before any use of a key as a path.
 */
export function checkKey(key: string): void {
  const segments = key.split('/');
  const sound = segments.every(
    part => SEGMENT.test(part) && part !== '.' && part !== '..' && part.length <= SEGMENT_MAX_CHARS,
  );
  if (!sound || key.length > KEY_MAX_CHARS) {
    throw new HoldfastError('invalid_request', 'Not a valid blob key.', { field: 'key' });
  }
}

/** A prefix may be empty or end anywhere, also within a segment. */
export function checkPrefix(prefix: string): void {
  const climbs = prefix.split('/').some(part => part === '..' || part === '.');
  if (!PREFIX.test(prefix) || prefix.startsWith('/') || climbs || prefix.length > KEY_MAX_CHARS) {
    throw new HoldfastError('invalid_request', 'Not a valid blob prefix.', { field: 'prefix' });
  }
}

/** As it stands in a `BlobInfo`. */
export function metadataPart(metadata: BlobMetadata | undefined): Pick<BlobInfo, 'metadata'> {
  return metadata === undefined || Object.keys(metadata).length === 0 ? {} : { metadata };
}

/** Passes bytes on, counts them, and fails with `payload_too_large` at the first one too many. */
export class SizeLimit extends Transform {
  sizeBytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    super();
    this.#maxBytes = maxBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.sizeBytes += chunk.length;
    if (this.sizeBytes <= this.#maxBytes) {
      done(null, chunk);
      return;
    }
    const detail = `At most ${this.#maxBytes} bytes are accepted.`;
    done(new HoldfastError('payload_too_large', detail));
  }
}
