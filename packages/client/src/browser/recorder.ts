import type { AudioType, RecordingMetadata } from '@holdfast/protocol';

/**
 * Records a session beside it, with the browser's MediaRecorder. The recording is of clones, so
 * ending the session does not cut it; its size is bounded, and `onCut` reports that the
 * bound was met.
 */
export interface RecorderOptions {
  microphone: MediaStream;
  /** The model's voice; with it the recording is of both sides. */
  answers?: MediaStream | null;
  bitsPerSecond: number;
  maxBytes: number;
  /** The bound was met; what was recorded until then is whole. */
  onCut?: () => void;
}

export interface Recorded {
  audio: Blob;
  fileName: string;
  metadata: RecordingMetadata;
  /** The bound was met and the end is missing. */
  cut: boolean;
}

/** Best first: small, and understood by every server and player. */
const CANDIDATES = [
  { mimeType: 'audio/webm;codecs=opus', format: 'webm' },
  { mimeType: 'audio/ogg;codecs=opus', format: 'ogg' },
  { mimeType: 'audio/mp4;codecs=mp4a.40.2', format: 'mp4' },
  { mimeType: 'audio/webm', format: 'webm' },
  { mimeType: 'audio/mp4', format: 'mp4' },
] as const;

const CHUNK_MS = 1000;
/** Room for the chunk on its way, the last one, and the form around the file. */
const LAST_CHUNKS_BYTES = 256 * 1024;

/** The first candidate this browser can record; undefined where it cannot record at all. */
export function bestRecordingType(
  supported: (mimeType: string) => boolean = type => MediaRecorder.isTypeSupported(type),
) {
  return CANDIDATES.find(candidate => supported(candidate.mimeType));
}

export class Recorder {
  private readonly chunks: Blob[] = [];
  private readonly recorder: MediaRecorder;
  private readonly streams: MediaStream[] = [];
  private readonly mixer: AudioContext | null = null;
  private readonly format: string;
  private readonly audioType: AudioType;
  private readonly settings: MediaTrackSettings;
  private readonly maxBytes: number;
  private readonly onCut: (() => void) | undefined;
  private startedAt = 0;
  private endedAt = 0;
  private sizeBytes = 0;
  private cut = false;

  /** Throws where the browser can record nothing. */
  constructor(options: RecorderOptions) {
    const type = bestRecordingType();
    if (!type) throw new Error('This browser cannot record audio.');
    this.format = type.format;
    this.maxBytes = options.maxBytes;
    this.onCut = options.onCut;
    const microphone = options.microphone.clone();
    this.streams.push(microphone);
    this.settings = microphone.getAudioTracks()[0]?.getSettings() ?? {};
    const mixed = options.answers ? mix(microphone, options.answers) : null;
    if (mixed) this.mixer = mixed.context;
    this.audioType = mixed ? 'full_conversation' : 'user_speech';
    this.recorder = new MediaRecorder(mixed?.stream ?? microphone, {
      mimeType: type.mimeType,
      audioBitsPerSecond: options.bitsPerSecond,
    });
    this.recorder.ondataavailable = ({ data }) => this.keep(data);
  }

  get recording(): boolean {
    return this.recorder.state === 'recording';
  }

  start(): void {
    this.startedAt = Date.now();
    this.recorder.start(CHUNK_MS);
  }

  /** The microphone is muted on its own track, so the recording mutes it too. */
  setMuted(muted: boolean): void {
    for (const stream of this.streams) {
      for (const track of stream.getAudioTracks()) track.enabled = !muted;
    }
  }

  /** What was recorded; null where nothing was. */
  async stop(): Promise<Recorded | null> {
    if (this.recorder.state !== 'inactive') {
      await new Promise<void>(resolve => {
        this.recorder.onstop = () => resolve();
        this.recorder.stop();
      });
    }
    this.endedAt ||= Date.now();
    for (const stream of this.streams) for (const track of stream.getTracks()) track.stop();
    if (this.mixer && this.mixer.state !== 'closed') await this.mixer.close();
    const audio = new Blob(this.chunks, { type: `audio/${this.format}` });
    if (audio.size === 0 || this.endedAt <= this.startedAt) return null;
    const started = new Date(this.startedAt).toISOString().replaceAll(':', '-');
    const fileName = `${started}.${this.format}`;
    return { audio, fileName, metadata: this.metadata(), cut: this.cut };
  }

  private keep(chunk: Blob): void {
    if (chunk.size === 0) return;
    this.sizeBytes += chunk.size;
    this.chunks.push(chunk);
    this.endedAt = Date.now();
    // Stopping brings one more chunk, without which the container would be broken.
    if (this.sizeBytes > this.maxBytes - LAST_CHUNKS_BYTES && this.recording) {
      this.cut = true;
      this.recorder.stop();
      this.onCut?.();
    }
  }

  private metadata(): RecordingMetadata {
    const { sampleRate, channelCount } = this.settings;
    return {
      audio_type: this.audioType,
      format: this.format,
      duration: (this.endedAt - this.startedAt) / 1000,
      timestamp_start: new Date(this.startedAt).toISOString(),
      timestamp_end: new Date(this.endedAt).toISOString(),
      ...(sampleRate ? { sample_rate: sampleRate } : {}),
      ...(channelCount ? { channels: channelCount } : {}),
    };
  }
}

/** Both sides on one track; null where the browser cannot join the two streams. */
function mix(microphone: MediaStream, answers: MediaStream) {
  const context = new AudioContext();
  try {
    const out = context.createMediaStreamDestination();
    context.createMediaStreamSource(microphone).connect(out);
    context.createMediaStreamSource(answers).connect(out);
    void context.resume();
    return { context, stream: out.stream };
  } catch {
    void context.close();
    return null;
  }
}
