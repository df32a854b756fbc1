import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  BlobServiceClient,
  type BlockBlobClient,
  type ContainerClient,
  RestError,
} from '@azure/storage-blob';
import { HoldfastError } from '../../kernel/index.ts';
import { createLinkSigner, type LinkSigner } from './azure-links.ts';
import {
  type BlobInfo,
  type BlobStore,
  type ByteRange,
  checkKey,
  checkPrefix,
  metadataPart,
  type PutOptions,
  SizeLimit,
} from './blob-store.ts';
import { checkRange } from './byte-range.ts';

/** Either a connection string, or an account's URL with Entra ID. */
export interface AzureBlobsOptions {
  /** Three characters at least; created at the first write when absent. */
  readonly container: string;
  readonly connectionString?: string | null;
  readonly accountUrl?: string | null;
  /** Client id of a user-assigned managed identity; used with `accountUrl`. */
  readonly azureClientId?: string | null;
}

/** One upload holds at most two blocks in memory. */
const BLOCK_BYTES = 4 * 1024 * 1024;
const BLOCKS_AT_ONCE = 2;

const RETRY = {
  maxTries: 3,
  retryDelayInMs: 500,
  maxRetryDelayInMs: 5_000,
  tryTimeoutInMs: 60_000,
};
const DOWNLOAD_RETRIES = 3;

/**
 * Blobs in Azure Blob Storage. Uploads are staged blocks that one commit makes visible, so readers
 * never see a part; blocks of an upload that was cut off are forgotten by the service after a week.
 * Links are SAS, signed with the account key or, with Entra ID, a user delegation key.
 */
export async function openAzureBlobs(options: AzureBlobsOptions): Promise<BlobStore> {
  const service = await openService(options);
  return new AzureStore(service.getContainerClient(options.container), createLinkSigner(service));
}

async function openService(options: AzureBlobsOptions): Promise<BlobServiceClient> {
  const settings = { retryOptions: RETRY };
  if (options.connectionString) {
    return BlobServiceClient.fromConnectionString(options.connectionString, settings);
  }
  if (!options.accountUrl) throw new TypeError('A connection string or an account URL is needed.');
  const { DefaultAzureCredential } = await import('@azure/identity');
  const managedIdentityClientId = options.azureClientId ?? undefined;
  const credential = new DefaultAzureCredential({ managedIdentityClientId });
  return new BlobServiceClient(options.accountUrl, credential, settings);
}

class AzureStore implements BlobStore {
  readonly adapter = 'azure';
  readonly managesLifecycle = true;
  readonly #container: ContainerClient;
  readonly #sign: LinkSigner;
  #ready: Promise<unknown> | undefined;

  constructor(container: ContainerClient, sign: LinkSigner) {
    this.#container = container;
    this.#sign = sign;
  }

  async put(key: string, body: Readable, options: PutOptions): Promise<BlobInfo> {
    try {
      const limit = new SizeLimit(options.maxBytes);
      await this.#upload(this.#blob(key), body, limit, options);
      const { contentType, metadata } = options;
      return { key, sizeBytes: limit.sizeBytes, contentType, ...metadataPart(metadata) };
    } catch (error) {
      throw toBlobError(error);
    } finally {
      body.destroy();
    }
  }

  async #upload(
    blob: BlockBlobClient,
    body: Readable,
    limit: SizeLimit,
    options: PutOptions,
  ): Promise<void> {
    await this.#ensureContainer();
    const abort = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal;
    // The first failure is the cause: it aborts the other side, whose error is only the abort.
    const failures: unknown[] = [];
    const fail = (error: unknown) => {
      failures.push(error);
      abort.abort();
    };
    const flow = pipeline(body, limit, { signal }).catch(fail);
    const upload = blob.uploadStream(limit, BLOCK_BYTES, BLOCKS_AT_ONCE, {
      blobHTTPHeaders: { blobContentType: options.contentType },
      ...metadataPart(options.metadata),
      abortSignal: signal,
    });
    await Promise.all([flow, upload.catch(fail)]);
    if (failures.length > 0) throw failures[0];
  }

  /** Runs once: a container that disappears later is a fault for an operator. */
  #ensureContainer(): Promise<unknown> {
    this.#ready ??= this.#container.createIfNotExists().catch(error => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  async get(key: string, range?: ByteRange): Promise<{ info: BlobInfo; body: Readable } | null> {
    try {
      const count = range ? range.end - range.start + 1 : undefined;
      const answer = await this.#blob(key).download(range?.start ?? 0, count, {
        maxRetryRequests: DOWNLOAD_RETRIES,
      });
      const body = answer.readableStreamBody as Readable;
      const total = /\/(\d+)$/.exec(answer.contentRange ?? '')?.[1];
      const info = {
        key,
        sizeBytes: total === undefined ? (answer.contentLength ?? 0) : Number(total),
        contentType: answer.contentType ?? '',
        ...metadataPart(answer.metadata),
      };
      // The emulator answers a range just behind the end with nothing instead of 416.
      if (range && range.start >= info.sizeBytes) {
        body.destroy();
        checkRange(range, info.sizeBytes);
      }
      return { info, body };
    } catch (error) {
      if (isMissing(error)) return null;
      throw toBlobError(error);
    }
  }

  async head(key: string): Promise<BlobInfo | null> {
    try {
      const found = await this.#blob(key).getProperties();
      const { contentLength = 0, contentType = '', metadata } = found;
      return { key, sizeBytes: contentLength, contentType, ...metadataPart(metadata) };
    } catch (error) {
      if (isMissing(error)) return null;
      throw toBlobError(error);
    }
  }

  async delete(key: string): Promise<boolean> {
    try {
      const { succeeded } = await this.#blob(key).deleteIfExists({ deleteSnapshots: 'include' });
      return succeeded;
    } catch (error) {
      if (isMissing(error)) return false;
      throw toBlobError(error);
    }
  }

  async *list(prefix: string): AsyncIterable<string> {
    checkPrefix(prefix);
    try {
      for await (const blob of this.#container.listBlobsFlat({ prefix })) yield blob.name;
    } catch (error) {
      if (!isMissingContainer(error)) throw toBlobError(error);
    }
  }

  url(key: string): string {
    return this.#blob(key).url;
  }

  async signedUrl(key: string, expiresInS: number): Promise<string> {
    try {
      return await this.#sign(this.#blob(key), expiresInS);
    } catch (error) {
      throw toBlobError(error);
    }
  }

  async ping(timeoutMs: number): Promise<void> {
    try {
      await this.#container.exists({ abortSignal: AbortSignal.timeout(timeoutMs) });
    } catch (error) {
      throw toBlobError(error);
    }
  }

  async close(): Promise<void> {}

  #blob(key: string): BlockBlobClient {
    checkKey(key);
    return this.#container.getBlockBlobClient(key);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof RestError && error.statusCode === 404;
}

function isMissingContainer(error: unknown): boolean {
  return error instanceof RestError && error.code === 'ContainerNotFound';
}

/**
 * Translates the service's errors into ours. Aborts by the caller and all other errors stay as they
 * are.
 */
export function toBlobError(error: unknown): unknown {
  if (!(error instanceof RestError)) return error;
  if (error.statusCode === 416) {
    return new HoldfastError('range_not_satisfiable', 'The range lies behind the end.', {
      field: 'range',
      cause: error,
    });
  }
  if (error.statusCode === 507) {
    return new HoldfastError('storage_full', 'Storage is full.', { cause: error });
  }
  // A writer's commit discards the staged blocks of every other writer of that blob.
  if (error.code === 'InvalidBlockList') {
    const detail = 'Another writer wrote the same blob at the same time.';
    return new HoldfastError('conflict', detail, { cause: error });
  }
  return new HoldfastError('unavailable', 'Blob storage is unavailable.', { cause: error });
}
