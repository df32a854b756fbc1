import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { SAMPLE_RATE_HZ } from './audio.ts';

/** What a session has sent, to compare with what was received. */
export interface AudioSent {
  framesSent: number;
  bytesSent: number;
  /** Frames the line could not take; they are not part of the hash. */
  framesDropped: number;
  secondsSent: number;
  /** SHA-256, in hex, of all PCM bytes sent so far, in order. */
  sha256: string;
}

/** Counts and hashes the PCM that was handed to the line. */
export class AudioStats {
  private framesSent = 0;
  private bytesSent = 0;
  private framesDropped = 0;
  private readonly hash = sha256.create();

  sent(bytes: Uint8Array): void {
    this.framesSent++;
    this.bytesSent += bytes.length;
    this.hash.update(bytes);
  }

  dropped(): void {
    this.framesDropped++;
  }

  /** The figures now. Finishing a copy of the hash costs a few microseconds. */
  snapshot(): AudioSent {
    return {
      framesSent: this.framesSent,
      bytesSent: this.bytesSent,
      framesDropped: this.framesDropped,
      secondsSent: this.bytesSent / 2 / SAMPLE_RATE_HZ,
      sha256: bytesToHex(this.hash.clone().digest()),
    };
  }
}
