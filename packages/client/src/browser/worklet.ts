import { Framer } from '../audio/framer.ts';
import { PlaybackQueue } from '../audio/playback-queue.ts';
import { Resampler } from '../audio/resampler.ts';
import { FRAME_SAMPLES, SAMPLE_RATE_HZ } from '../voice/audio.ts';
import { toPcm16 } from '../voice/pcm.ts';
import type { FromSpeaker, ToSpeaker } from './messages.ts';

/**
 * Runs on the browser's audio thread, loaded as a module of its own: microphone blocks in, PCM16
 * frames out; queued PCM16 in, sound out. The logic is in `audio/`; this is only its plug.
 */
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

class Capture extends AudioWorkletProcessor {
  private readonly resampler =
    sampleRate === SAMPLE_RATE_HZ ? null : new Resampler(sampleRate, SAMPLE_RATE_HZ);
  private readonly framer = new Framer(FRAME_SAMPLES, frame =>
    this.port.postMessage(frame, [frame.buffer]),
  );

  process(inputs: Float32Array[][]): boolean {
    const channel = inputs[0]?.[0];
    if (channel) this.framer.push(toPcm16(this.resampler?.push(channel) ?? channel));
    return true;
  }
}

class Speaker extends AudioWorkletProcessor {
  private readonly queue = new PlaybackQueue();
  private reported = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToSpeaker>) => {
      if (data.type === 'enqueue') this.queue.enqueue(data.piece);
      else this.post({ type: 'cleared', id: data.id, position: this.queue.clear() });
    };
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const [first, ...others] = outputs[0] ?? [];
    if (!first) return true;
    this.queue.pull(first);
    for (const channel of others) channel.set(first);
    if (this.queue.playing !== this.reported) {
      this.reported = this.queue.playing;
      this.post({ type: 'playing', playing: this.reported });
    }
    return true;
  }

  private post(message: FromSpeaker): void {
    this.port.postMessage(message);
  }
}

registerProcessor('holdfast-capture', Capture);
registerProcessor('holdfast-speaker', Speaker);
