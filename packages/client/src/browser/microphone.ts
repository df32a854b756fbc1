import { type AudioInput, SAMPLE_RATE_HZ } from '../voice/audio.ts';
import { CAPTURE_PROCESSOR } from './messages.ts';

export interface MicrophoneOptions {
  /** Address of the audio worklet module; a bundler knows it. */
  workletUrl: string;
  /** Whether the browser may clean up echo, noise and level. */
  processing: boolean;
  deviceId?: string | undefined;
}

/** The browser's microphone as PCM16 frames. One use: after `stop` a new one is made. */
export class Microphone implements AudioInput {
  stream: MediaStream | null = null;
  private context: AudioContext | null = null;
  private stopped = false;
  private readonly options: MicrophoneOptions;

  constructor(options: MicrophoneOptions) {
    this.options = options;
  }

  async start(onFrame: (pcm: Int16Array) => void): Promise<void> {
    const { processing, deviceId } = this.options;
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        echoCancellation: processing,
        noiseSuppression: processing,
        autoGainControl: processing,
        channelCount: 1,
        ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
      },
    });
    this.stream = stream;
    if (this.stopped) return this.stop();
    const { context, source } = microphoneGraph(stream);
    this.context = context;
    await context.audioWorklet.addModule(this.options.workletUrl);
    const capture = new AudioWorkletNode(context, CAPTURE_PROCESSOR, {
      numberOfInputs: 1,
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: 'explicit',
    });
    capture.port.onmessage = ({ data }: MessageEvent<Int16Array>) => {
      if (!this.stopped) onFrame(data);
    };
    source.connect(capture);
    await context.resume();
  }

  setMuted(muted: boolean): void {
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    if (this.context && this.context.state !== 'closed') await this.context.close();
  }
}

/** At our own rate where the browser converts; else at the stream's, and the worklet converts. */
function microphoneGraph(stream: MediaStream): {
  context: AudioContext;
  source: MediaStreamAudioSourceNode;
} {
  const context = new AudioContext({ sampleRate: SAMPLE_RATE_HZ, latencyHint: 'interactive' });
  try {
    return { context, source: context.createMediaStreamSource(stream) };
  } catch {
    void context.close();
    const native = new AudioContext({ latencyHint: 'interactive' });
    return { context: native, source: native.createMediaStreamSource(stream) };
  }
}
