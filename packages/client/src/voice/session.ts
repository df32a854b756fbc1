import { ApiError } from '../api-error.ts';
import { Emitter } from '../emitter.ts';
import { Answers } from './answers.ts';
import { Asking, isRefusedAsking } from './asking.ts';
import type { AudioDevices } from './audio.ts';
import { applyEvent, applyTool, type Turn } from './conversation.ts';
import { known, type ServerEvent } from './events.ts';
import { level, toBase64, toBytes } from './pcm.ts';
import { signalsOf } from './signals.ts';
import { INITIAL_FACTS, stateOf, transition, type VoiceSignal, type VoiceState } from './state.ts';
import { type AudioSent, AudioStats } from './stats.ts';
import { type ToolHandler, ToolRunner } from './tools.ts';
import type { LineChange, TransportClosed, VoiceTransport } from './transport.ts';
import { addUsage, NO_USAGE, type VoiceUsage } from './usage.ts';

export interface VoiceSessionOptions {
  transport: VoiceTransport;
  /** Microphone and speaker; without them the session is typed and read. */
  audio?: AudioDevices | undefined;
  /** Functions the model may call, by name. */
  tools?: Record<string, ToolHandler> | undefined;
  /** Sent as `session.update` once open; the server's defaults apply where it is absent. */
  config?: Record<string, unknown> | undefined;
  now?: (() => number) | undefined;
}

/** The server that carries the session, from `holdfast.session`. */
export interface Bearer {
  id: string;
  revision: string | null;
  replica: string | null;
  resumeToken: string | null;
}

export interface VoiceProblem {
  code: string;
  message: string;
  requestId: string | null;
}

/** Everything a page shows, as one value that is replaced, never changed. */
export interface VoiceSnapshot {
  readonly state: VoiceState;
  readonly turns: readonly Turn[];
  readonly usage: VoiceUsage;
  readonly muted: boolean;
  readonly session: Bearer | null;
  /** The last thing that went wrong; the session may live on. */
  readonly problem: VoiceProblem | null;
  readonly closed: TransportClosed | null;
  /** The line was lost and is tried to be replaced; what is said meanwhile is kept. */
  readonly isAway: boolean;
  /** How the line last came back; null where it was never lost. */
  readonly comeback: Comeback | null;
}

interface Comeback {
  /** To another process of the server than before. */
  readonly moved: boolean;
  /** Events of the server that were lost for good. */
  readonly lost: number;
  readonly atMs: number;
}

export interface VoiceEvents {
  change: VoiceSnapshot;
  /** 0 to 1, 25 times a second while the microphone is on. */
  level: number;
  /** Every server event, after it has been applied. */
  event: ServerEvent;
  remoteStream: MediaStream;
}

/**
 * One conversation with a realtime model. Lifecycle: make it, `start` in a user gesture, `close`;
 * a session is used once. It owns transport and audio from `start` on and releases both however
 * it ends. All state is in `snapshot`; `change` delivers each new one. Independent of pages.
 */
export class VoiceSession {
  private readonly emitter = new Emitter<VoiceEvents>();
  private readonly options: VoiceSessionOptions;
  private readonly transport: VoiceTransport;
  private readonly tools: ToolRunner;
  private readonly answers: Answers;
  private readonly asking: Asking;
  private readonly audioStats = new AudioStats();
  private readonly abort = new AbortController();
  private facts = INITIAL_FACTS;
  /** The server's process before the line was lost. */
  private leftReplica: string | null = null;
  private current: VoiceSnapshot = {
    state: 'idle',
    turns: [],
    usage: NO_USAGE,
    muted: false,
    session: null,
    problem: null,
    closed: null,
    isAway: false,
    comeback: null,
  };

  constructor(options: VoiceSessionOptions) {
    this.options = options;
    this.transport = options.transport;
    this.answers = new Answers(options.audio?.output ?? null, event => this.transport.send(event));
    this.asking = new Asking(
      event => this.transport.send(event),
      () => this.signal({ type: 'answer_asked' }),
    );
    this.tools = new ToolRunner({
      send: event => this.transport.send(event),
      onTurn: (itemId, turn) =>
        this.update({ turns: applyTool(this.current.turns, itemId, turn, this.now()) }),
      onRunning: count => this.signal({ type: 'tools_running', count }),
      onReturned: () => this.asking.ask(),
    });
    for (const [name, handler] of Object.entries(options.tools ?? {})) {
      this.tools.register(name, handler);
    }
  }

  get snapshot(): VoiceSnapshot {
    return this.current;
  }

  get kind(): VoiceTransport['kind'] {
    return this.transport.kind;
  }

  /** What was sent as PCM. Over WebRTC the browser encodes, so there is nothing to hash. */
  get stats(): AudioSent {
    return this.audioStats.snapshot();
  }

  on<K extends keyof VoiceEvents>(name: K, listener: (value: VoiceEvents[K]) => void) {
    return this.emitter.on(name, listener);
  }

  /** Adds a tool; the returned function takes it away. */
  registerTool(name: string, handler: ToolHandler): () => void {
    return this.tools.register(name, handler);
  }

  /**
   * Opens microphone, speaker and line. Resolves when the session is open. A failure leaves the
   * session `failed`, everything released, and is thrown: ApiError, or the browser's own refusal.
   */
  async start(): Promise<void> {
    if (this.facts.phase !== 'idle') throw new Error('A voice session starts once.');
    this.signal({ type: 'start' });
    const { audio } = this.options;
    try {
      await audio?.output.start(playing => this.signal({ type: 'playing', playing }));
      await audio?.input.start(pcm => this.onFrame(pcm));
      this.abort.signal.throwIfAborted();
      await this.transport.connect({
        microphone: audio?.input.stream ?? null,
        signal: this.abort.signal,
        onEvent: event => this.onEvent(event),
        onClosed: closed => this.onClosed(closed),
        onLine: change => this.onLine(change),
        onRemoteStream: stream => {
          audio?.output.attach?.(stream);
          this.emitter.emit('remoteStream', stream);
        },
      });
      this.onOpen();
    } catch (error) {
      await this.onStartFailed(error);
      throw error;
    }
  }

  /** Ends the session; harmless at any time. Resolves when everything is released. */
  async close(): Promise<void> {
    this.signal({ type: 'close' });
    this.abort.abort(new DOMException('The session was closed.', 'AbortError'));
    this.transport.close();
    await this.release();
  }

  /** Silences the microphone; the session receives silence meanwhile. */
  mute(muted: boolean): void {
    this.options.audio?.input.setMuted(muted);
    this.update({ muted });
  }

  /** Sends a typed message and requests an answer. False where the line cannot take it. */
  sendText(text: string): boolean {
    if (this.facts.phase !== 'open' || text.trim() === '') return false;
    this.interrupt();
    const taken = this.transport.send({
      type: 'conversation.item.create',
      item: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
    });
    if (taken) this.asking.ask();
    return taken;
  }

  /** Stops at once the answer that the model makes or the speaker plays. */
  interrupt(): void {
    if (this.facts.phase !== 'open') return;
    void this.answers.stop(this.kind);
  }

  private onOpen(): void {
    const { config } = this.options;
    this.signal({ type: 'open' });
    if (config) this.transport.send({ type: 'session.update', session: config });
    const id = this.transport.sessionId;
    if (id !== null && this.current.session === null) {
      this.update({ session: { id, revision: null, replica: null, resumeToken: null } });
    }
  }

  private onFrame(pcm: Int16Array): void {
    this.emitter.emit('level', level(pcm));
    if (this.kind !== 'websocket' || this.facts.phase !== 'open') return;
    const bytes = toBytes(pcm);
    const event = { type: 'input_audio_buffer.append', audio: toBase64(bytes) };
    if (!this.transport.choked && this.transport.send(event)) this.audioStats.sent(bytes);
    else this.audioStats.dropped();
  }

  private onEvent(event: ServerEvent): void {
    if (this.facts.phase !== 'connecting' && this.facts.phase !== 'open') return;
    for (const signal of signalsOf(event, this.kind)) this.signal(signal);
    this.answers.apply(event, this.kind);
    this.asking.apply(event);
    this.tools.apply(event);
    this.apply(event);
    this.emitter.emit('event', event);
  }

  /** Applies the parts of an event that a page shows beside the state. */
  private apply(event: ServerEvent): void {
    const turns = applyEvent(this.current.turns, event, this.now());
    if (turns !== this.current.turns) this.update({ turns });
    const e = known(event);
    if (e.type === 'response.done') {
      this.update({ usage: addUsage(this.current.usage, e.response?.usage) });
    } else if (e.type === 'holdfast.session' && e.session?.id) {
      const { id, revision = null, replica = null, resume_token = null } = e.session;
      this.update({ session: { id, revision, replica, resumeToken: resume_token } });
    } else if (e.type === 'error' && !isHarmless(event)) {
      const code = e.error?.code ?? e.error?.type ?? 'upstream_error';
      this.update({ problem: { code, message: e.error?.message ?? '', requestId: null } });
    }
  }

  private onLine(change: LineChange): void {
    const replica = this.current.session?.replica ?? null;
    if (change.state === 'away') {
      this.leftReplica = replica;
      this.update({ isAway: true });
      return;
    }
    if (change.lost > 0) this.endAnswers();
    const moved = replica !== this.leftReplica;
    const comeback = { moved, lost: change.lost, atMs: this.now() };
    this.update({ isAway: false, comeback });
  }

  /** The ends of answers may be among what was lost: none is waited for. */
  private endAnswers(): void {
    for (const id of this.facts.responses) {
      const end = { type: 'response.done', response: { id } };
      this.signal({ type: 'response_done', id });
      this.answers.apply(end, this.kind);
      this.asking.apply(end);
    }
  }

  private onClosed(closed: TransportClosed): void {
    if (this.current.closed !== null) return;
    this.update({ closed, isAway: false });
    this.signal({ type: closed.clean ? 'close' : 'fail' });
    void this.release();
  }

  private async onStartFailed(error: unknown): Promise<void> {
    if (error instanceof ApiError) {
      const { code, message, requestId } = error;
      this.update({ problem: { code, message, requestId } });
    } else if (!this.abort.signal.aborted) {
      const name = error instanceof Error ? error.name : 'Error';
      const message = error instanceof Error ? error.message : String(error);
      this.update({ problem: { code: name, message, requestId: null } });
    }
    this.signal({ type: 'fail' });
    this.transport.close();
    await this.release();
  }

  private async release(): Promise<void> {
    await Promise.all([this.options.audio?.input.stop(), this.options.audio?.output.stop()]);
  }

  private signal(signal: VoiceSignal): void {
    this.facts = transition(this.facts, signal);
    const state = stateOf(this.facts);
    if (state !== this.current.state) this.update({ state });
  }

  private update(change: Partial<VoiceSnapshot>): void {
    this.current = { ...this.current, ...change };
    this.emitter.emit('change', this.current);
  }

  private now(): number {
    return (this.options.now ?? Date.now)();
  }
}

/** Refusals of requests that the model had already fulfilled itself. */
function isHarmless(event: ServerEvent): boolean {
  const e = known(event);
  if (e.type !== 'error') return false;
  return isRefusedAsking(event) || e.error?.code === 'response_cancel_not_active';
}
