import { type AudioOutput, type PlayedPosition, SAMPLE_RATE_HZ } from '../voice/audio.ts';
import { type FromSpeaker, SPEAKER_PROCESSOR, type ToSpeaker } from './messages.ts';

/** An audio thread that does not answer within this time counts as silent. */
const CLEAR_TIMEOUT_MS = 500;

/**
 * Plays the model's voice: pieces through an audio worklet that counts what was played, or over
 * WebRTC a whole stream. `mix` is the same sound as a stream, for a recording of both sides.
 */
export class Speaker implements AudioOutput {
  /** What is being played, as a stream; null before `start`. */
  mix: MediaStream | null = null;
  private context: AudioContext | null = null;
  private node: AudioWorkletNode | null = null;
  private remote: HTMLAudioElement | null = null;
  private readonly waiting = new Map<number, (position: PlayedPosition | null) => void>();
  private clears = 0;
  private readonly workletUrl: string;

  constructor(options: { workletUrl: string }) {
    this.workletUrl = options.workletUrl;
  }

  async start(onPlaying: (playing: boolean) => void): Promise<void> {
    const context = new AudioContext({ sampleRate: SAMPLE_RATE_HZ, latencyHint: 'interactive' });
    this.context = context;
    await context.audioWorklet.addModule(this.workletUrl);
    const node = new AudioWorkletNode(context, SPEAKER_PROCESSOR, {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    this.node = node;
    node.port.onmessage = ({ data }: MessageEvent<FromSpeaker>) => {
      if (data.type === 'playing') onPlaying(data.playing);
      else this.cleared(data.id, data.position);
    };
    const tap = context.createMediaStreamDestination();
    node.connect(context.destination);
    node.connect(tap);
    this.mix = tap.stream;
    await context.resume();
  }

  enqueue(piece: { itemId: string; contentIndex: number; pcm: Int16Array }): void {
    const message: ToSpeaker = { type: 'enqueue', piece };
    this.node?.port.postMessage(message, [piece.pcm.buffer]);
  }

  attach(stream: MediaStream): void {
    this.mix = stream;
    this.remote = new Audio();
    this.remote.srcObject = stream;
    void this.remote.play().catch(() => undefined);
  }

  clear(): Promise<PlayedPosition | null> {
    const { node } = this;
    if (node === null) return Promise.resolve(null);
    const id = ++this.clears;
    return new Promise(resolve => {
      this.waiting.set(id, resolve);
      setTimeout(() => this.cleared(id, null), CLEAR_TIMEOUT_MS);
      const message: ToSpeaker = { type: 'clear', id };
      node.port.postMessage(message);
    });
  }

  async stop(): Promise<void> {
    this.remote?.pause();
    if (this.remote) this.remote.srcObject = null;
    if (this.context && this.context.state !== 'closed') await this.context.close();
  }

  /** Sound that left the queue plays only after the device's own delay. */
  private cleared(id: number, position: PlayedPosition | null): void {
    const resolve = this.waiting.get(id);
    this.waiting.delete(id);
    const delayMs = (this.context?.outputLatency ?? 0) * 1000;
    resolve?.(position && { ...position, playedMs: Math.max(0, position.playedMs - delayMs) });
  }
}
