import {
  type AudioSent,
  type Client,
  type Uploads,
  VoiceSession,
  type VoiceSnapshot,
  webRtcTransport,
  webSocketTransport,
} from '@holdfast/client';
import { Microphone, Recorder, Speaker } from '@holdfast/client/browser';
import workletUrl from '@holdfast/client/worklet?worker&url';
import { setVoiceActive } from './active.ts';
import { pageTools } from './page-tools.ts';
import { silentInput } from './silent-input.ts';

/**
 * The tab's one voice session and the recorder beside it. It lives outside of the page's
 * components, so that a session continues while other pages are shown. A recording is handed
 * to `uploads` however the session ended.
 */
export interface VoiceChoice {
  kind: 'websocket' | 'webrtc';
  model: string;
  microphone: boolean;
  audioProcessing: boolean;
  recording: 'both' | 'mine' | 'off';
  bitsPerSecond: number;
  maxBytes: number;
  /** BCP 47; stored with the recording. */
  language: string;
}

export interface VoiceView {
  readonly session: VoiceSnapshot | null;
  readonly kind: 'websocket' | 'webrtc';
  readonly microphone: boolean;
  /** `cut`: the size limit was met; `refused`: this browser cannot record. */
  readonly recording: 'off' | 'on' | 'cut' | 'refused';
  readonly openedAtMs: number | null;
  readonly closedAtMs: number | null;
}

const NOTHING: VoiceView = {
  session: null,
  kind: 'websocket',
  microphone: true,
  recording: 'off',
  openedAtMs: null,
  closedAtMs: null,
};

export class VoiceStore {
  private readonly client: Client;
  private readonly uploads: Uploads;
  private view = NOTHING;
  private session: VoiceSession | null = null;
  private recorder: Recorder | null = null;
  private choice: VoiceChoice | null = null;
  private readonly listeners = new Set<() => void>();
  private readonly levelListeners = new Set<(level: number) => void>();

  constructor(client: Client, uploads: Uploads) {
    this.client = client;
    this.uploads = uploads;
  }

  readonly snapshot = (): VoiceView => this.view;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The microphone's loudness, 25 times a second. */
  onLevel(listener: (level: number) => void): () => void {
    this.levelListeners.add(listener);
    return () => this.levelListeners.delete(listener);
  }

  get stats(): AudioSent | null {
    return this.session?.stats ?? null;
  }

  /** Must be called in a click or key press. Failures are shown by the snapshot. */
  async start(choice: VoiceChoice): Promise<void> {
    if (this.active) return;
    this.choice = choice;
    const speaker = new Speaker({ workletUrl });
    const microphone = choice.microphone
      ? new Microphone({ workletUrl, processing: choice.audioProcessing })
      : silentInput();
    // A secret for one session: its answer has the server's defaults, or the reason of a refusal.
    const secretFor = {
      session: { type: 'realtime', model: choice.model },
      holdfast: { defaults: true },
    } as const;
    const line = {
      http: this.client.http,
      model: choice.model,
      clientSecret: async () => (await this.client.clientSecrets.create(secretFor)).value,
    };
    const transport = choice.kind === 'webrtc' ? webRtcTransport(line) : webSocketTransport(line);
    const session = new VoiceSession({
      transport,
      audio: { input: microphone, output: speaker },
      tools: pageTools,
    });
    this.session = session;
    this.set({
      ...NOTHING,
      kind: choice.kind,
      microphone: choice.microphone,
      session: session.snapshot,
    });
    session.on('level', level => {
      for (const listener of [...this.levelListeners]) listener(level);
    });
    session.on('change', snapshot => this.onChange(session, snapshot));
    try {
      await session.start();
    } catch {
      return;
    }
    this.set({ openedAtMs: Date.now() });
    this.record(choice, microphone.stream, speaker.mix);
  }

  async close(): Promise<void> {
    await this.session?.close();
  }

  mute(muted: boolean): void {
    this.session?.mute(muted);
    this.recorder?.setMuted(muted);
  }

  interrupt(): void {
    this.session?.interrupt();
  }

  sendText(text: string): boolean {
    return this.session?.sendText(text) ?? false;
  }

  get active(): boolean {
    const state = this.view.session?.state ?? 'idle';
    return state !== 'idle' && state !== 'ended' && state !== 'failed';
  }

  private onChange(session: VoiceSession, snapshot: VoiceSnapshot): void {
    if (session !== this.session) return;
    this.set({ session: snapshot });
    setVoiceActive(this.active);
    if (!this.active && this.view.closedAtMs === null) {
      this.set({ closedAtMs: Date.now() });
      void this.finishRecording();
    }
  }

  private record(
    choice: VoiceChoice,
    microphone: MediaStream | null,
    answers: MediaStream | null,
  ): void {
    if (choice.recording === 'off' || microphone === null || !this.active) return;
    try {
      this.recorder = new Recorder({
        microphone,
        answers: choice.recording === 'both' ? answers : null,
        bitsPerSecond: choice.bitsPerSecond,
        maxBytes: choice.maxBytes,
        onCut: () => this.set({ recording: 'cut' }),
      });
      this.recorder.start();
      this.recorder.setMuted(this.view.session?.muted ?? false);
      this.set({ recording: 'on' });
    } catch {
      this.recorder = null;
      this.set({ recording: 'refused' });
    }
  }

  private async finishRecording(): Promise<void> {
    const { recorder, choice } = this;
    this.recorder = null;
    const turns = this.view.session?.turns ?? [];
    const recorded = await recorder?.stop();
    this.set({ recording: 'off' });
    if (!recorded || !choice) return;
    const sessionId = this.view.session?.session?.id ?? (await this.newestSessionId());
    if (sessionId === null) return;
    const transcription = turns
      .filter(turn => turn.role !== 'tool' && turn.text !== '')
      .map(turn => turn.text)
      .join('\n')
      .slice(0, TRANSCRIPTION_MAX_CHARS);
    await this.uploads.add({
      sessionId,
      audio: recorded.audio,
      fileName: recorded.fileName,
      metadata: {
        ...recorded.metadata,
        language: choice.language,
        ...(transcription === '' ? {} : { transcription }),
      },
    });
  }

  /** Over WebRTC no event has our id; where the response to the offer lacks it, the list has it. */
  private async newestSessionId(): Promise<string | null> {
    const page = await this.client.sessions.list({ created_by: 'me', limit: 1 }).catch(() => null);
    return page?.data[0]?.id ?? null;
  }

  private set(change: Partial<VoiceView>): void {
    this.view = { ...this.view, ...change };
    for (const listener of [...this.listeners]) listener();
  }
}

/** The server's own limit for the field. */
const TRANSCRIPTION_MAX_CHARS = 32_000;
