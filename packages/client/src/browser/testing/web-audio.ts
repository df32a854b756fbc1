/**
 * The few browser classes that microphone, speaker and recorder touch, as far as they touch them.
 * They stand in where a test runs without a browser; the end-to-end tests run the real ones.
 */
class StandInTrack {
  enabled = true;
  stopped = false;
  stop(): void {
    this.stopped = true;
  }
  getSettings() {
    return { sampleRate: 48_000, channelCount: 1 };
  }
}

export class StandInStream {
  readonly tracks = [new StandInTrack()];
  getTracks() {
    return this.tracks;
  }
  getAudioTracks() {
    return this.tracks;
  }
  clone() {
    const clone = new StandInStream();
    clones.push(clone);
    return clone;
  }
}
export const clones: StandInStream[] = [];

/** Both ends of the wire to an audio thread; `posted` is what the page sent. */
export class StandInNode {
  static made: StandInNode[] = [];
  readonly posted: unknown[] = [];
  readonly port = {
    onmessage: null as ((event: { data: unknown }) => void) | null,
    postMessage: (message: unknown) => void this.posted.push(message),
  };
  readonly name: string;
  readonly connected: unknown[] = [];
  constructor(_context: unknown, name: string) {
    this.name = name;
    StandInNode.made.push(this);
  }
  connect(target: unknown): void {
    this.connected.push(target);
  }
  /** Delivers a message as from the audio thread. */
  deliver(data: unknown): void {
    this.port.onmessage?.({ data });
  }
}

export class StandInContext {
  static made: StandInContext[] = [];
  /** Whether a microphone's stream is refused at a rate that is not its own, as Firefox does. */
  static refusesOtherRates = false;
  state = 'running';
  readonly outputLatency = 0.02;
  readonly destination = {};
  readonly modules: string[] = [];
  readonly audioWorklet = {
    addModule: async (url: string) => void this.modules.push(url),
  };
  readonly sampleRate: number | undefined;
  constructor(options: { sampleRate?: number } = {}) {
    this.sampleRate = options.sampleRate;
    StandInContext.made.push(this);
  }
  createMediaStreamSource() {
    if (StandInContext.refusesOtherRates && this.sampleRate !== undefined) {
      throw new DOMException('Different sample-rate', 'NotSupportedError');
    }
    return { connect: (target: unknown) => target };
  }
  createMediaStreamDestination() {
    return { stream: new StandInStream() };
  }
  async resume() {}
  async close() {
    this.state = 'closed';
  }
}

export class StandInRecorder {
  static made: StandInRecorder[] = [];
  static supported: readonly string[] = ['audio/webm;codecs=opus'];
  static isTypeSupported(type: string): boolean {
    return StandInRecorder.supported.includes(type);
  }
  state = 'inactive';
  ondataavailable: ((event: { data: Blob }) => void) | null = null;
  onstop: (() => void) | null = null;
  readonly options: { mimeType: string; audioBitsPerSecond: number };
  readonly stream: unknown;
  constructor(stream: unknown, options: { mimeType: string; audioBitsPerSecond: number }) {
    this.stream = stream;
    this.options = options;
    StandInRecorder.made.push(this);
  }
  start(): void {
    this.state = 'recording';
  }
  record(bytes: number): void {
    this.ondataavailable?.({ data: new Blob([new Uint8Array(bytes)]) });
  }
  stop(): void {
    this.state = 'inactive';
    queueMicrotask(() => {
      this.record(10);
      this.onstop?.();
    });
  }
}

export function forgetMade(): void {
  StandInNode.made = [];
  StandInContext.made = [];
  StandInContext.refusesOtherRates = false;
  StandInRecorder.made = [];
  clones.length = 0;
}
