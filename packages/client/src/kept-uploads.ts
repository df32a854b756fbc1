import type { RecordingMetadata } from '@holdfast/protocol';
import { ApiError, type ApiErrorCode } from './api-error.ts';
import type { Client } from './client.ts';

/**
 * Recordings on their way to the server. Each is put on a shelf first and removed when the server
 * has it, so that neither a failed upload nor a closed page loses it:
 *
 *   waiting ─send─▶ sending ─taken─▶ (gone)
 *      ▲               └──refused or unreachable──▶ failed ─send again─▶ sending
 *
 * A recording on the shelf at the start is `failed`: the user decides whether it is sent again.
 */
export interface KeptUpload {
  readonly id: string;
  readonly sessionId: string;
  readonly audio: Blob;
  readonly fileName: string;
  readonly metadata: RecordingMetadata;
  /** ISO time at which it was put on the shelf. */
  readonly keptAt: string;
  readonly failure: UploadFailure | null;
}

export interface UploadFailure {
  readonly code: ApiErrorCode | 'interrupted';
  readonly detail: string;
  readonly requestId: string | null;
}

/** Where recordings wait: the browser's database, or memory where there is none. */
export interface UploadShelf {
  list(): Promise<KeptUpload[]>;
  /** Rejects where there is no room. */
  put(upload: KeptUpload): Promise<void>;
  remove(id: string): Promise<void>;
}

export interface UploadView {
  readonly id: string;
  readonly sessionId: string;
  readonly fileName: string;
  readonly audio: Blob;
  readonly metadata: RecordingMetadata;
  readonly keptAt: string;
  readonly state: 'sending' | 'failed';
  /** 0 to 1. */
  readonly progress: number;
  readonly attempt: number;
  readonly failure: UploadFailure | null;
  /** False where the browser has no room: closing the page would lose it. */
  readonly kept: boolean;
}

/** Beyond this many the shelf takes no more; the page offers to save the file instead. */
export const KEPT_UPLOADS_MAX = 50;

export class Uploads {
  private readonly client: Pick<Client, 'recordings'>;
  private readonly shelf: UploadShelf;
  private views: readonly UploadView[] = [];
  private readonly listeners = new Set<() => void>();

  constructor(client: Pick<Client, 'recordings'>, shelf: UploadShelf) {
    this.client = client;
    this.shelf = shelf;
  }

  /** Replaced, never changed. */
  get snapshot(): readonly UploadView[] {
    return this.views;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Offers again what an earlier page left on the shelf. */
  async restore(): Promise<void> {
    const known = new Set(this.views.map(view => view.id));
    for (const upload of await this.shelf.list()) {
      if (known.has(upload.id)) continue;
      const failure = upload.failure ?? INTERRUPTED;
      this.set([...this.views, view(upload, { state: 'failed', kept: true, failure })]);
    }
  }

  /** Keeps a recording and sends it. Resolves when it was taken or has failed; never rejects. */
  async add(recording: Omit<KeptUpload, 'id' | 'keptAt' | 'failure'>): Promise<boolean> {
    const upload: KeptUpload = {
      ...recording,
      id: crypto.randomUUID(),
      keptAt: new Date().toISOString(),
      failure: null,
    };
    const kept = await this.keep(upload);
    this.set([...this.views, view(upload, { state: 'sending', kept, failure: null })]);
    return this.send(upload.id);
  }

  /** Sends one again. True when the server has it. */
  async retry(id: string): Promise<boolean> {
    if (this.find(id)?.state !== 'failed') return false;
    this.patch(id, { state: 'sending', progress: 0, failure: null });
    return this.send(id);
  }

  /** Gives a recording up, for good. */
  async discard(id: string): Promise<void> {
    await this.shelf.remove(id).catch(() => undefined);
    this.set(this.views.filter(view => view.id !== id));
  }

  private async send(id: string): Promise<boolean> {
    const upload = this.find(id);
    if (!upload) return false;
    const { sessionId, audio, fileName, metadata } = upload;
    try {
      await this.client.recordings.upload({
        sessionId,
        audio,
        fileName,
        metadata,
        onProgress: ({ sentBytes, totalBytes, attempt }) =>
          this.patch(id, { progress: totalBytes === 0 ? 0 : sentBytes / totalBytes, attempt }),
      });
    } catch (error) {
      await this.failed(id, failureOf(error));
      return false;
    }
    await this.discard(id);
    return true;
  }

  private async failed(id: string, failure: UploadFailure): Promise<void> {
    this.patch(id, { state: 'failed', failure });
    const upload = this.find(id);
    if (!upload) return;
    const { sessionId, audio, fileName, metadata, keptAt } = upload;
    const kept = await this.keep({ id, sessionId, audio, fileName, metadata, keptAt, failure });
    this.patch(id, { kept });
  }

  private async keep(upload: KeptUpload): Promise<boolean> {
    const others = this.views.filter(view => view.kept && view.id !== upload.id);
    if (others.length >= KEPT_UPLOADS_MAX) return false;
    return this.shelf.put(upload).then(
      () => true,
      () => false,
    );
  }

  private find(id: string): UploadView | undefined {
    return this.views.find(view => view.id === id);
  }

  private patch(id: string, change: Partial<UploadView>): void {
    this.set(this.views.map(view => (view.id === id ? { ...view, ...change } : view)));
  }

  private set(views: readonly UploadView[]): void {
    this.views = views;
    for (const listener of [...this.listeners]) listener();
  }
}

const INTERRUPTED: UploadFailure = {
  code: 'interrupted',
  detail: 'The page was closed before the upload was over.',
  requestId: null,
};

function view(upload: KeptUpload, now: Pick<UploadView, 'state' | 'kept' | 'failure'>): UploadView {
  const { id, sessionId, fileName, audio, metadata, keptAt } = upload;
  return { id, sessionId, fileName, audio, metadata, keptAt, progress: 0, attempt: 1, ...now };
}

function failureOf(error: unknown): UploadFailure {
  if (error instanceof ApiError) {
    return { code: error.code, detail: error.message, requestId: error.requestId };
  }
  return { code: 'network', detail: String(error), requestId: null };
}

/** For a browser without a database, and for tests. */
export function memoryShelf(): UploadShelf {
  const kept = new Map<string, KeptUpload>();
  return {
    list: async () => [...kept.values()],
    put: async upload => void kept.set(upload.id, upload),
    remove: async id => void kept.delete(id),
  };
}
