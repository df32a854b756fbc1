/**
 * ITU-T G.711: 8 kHz, one byte a sample, in its two laws (`audio/pcmu` is µ-law, `audio/pcma` is
 * A-law). Decoding goes through tables; encoding is the inverse by segment search.
 */
export type Law = 'pcmu' | 'pcma';

const MULAW_BIAS = 0x84;
const MULAW_CLIP = 32_635;
const ALAW_TOGGLE = 0x55;

function decodeMulawByte(byte: number): number {
  const code = ~byte & 0xff;
  const magnitude = (((code & 0x0f) << 3) + MULAW_BIAS) << ((code & 0x70) >> 4);
  return code & 0x80 ? MULAW_BIAS - magnitude : magnitude - MULAW_BIAS;
}

function decodeAlawByte(byte: number): number {
  const code = byte ^ ALAW_TOGGLE;
  const segment = (code & 0x70) >> 4;
  const base = ((code & 0x0f) << 4) + 8;
  const magnitude = segment === 0 ? base : (base + 0x100) << (segment - 1);
  return code & 0x80 ? magnitude : -magnitude;
}

const TABLES: Record<Law, Int16Array> = {
  pcmu: Int16Array.from({ length: 256 }, (_, byte) => decodeMulawByte(byte)),
  pcma: Int16Array.from({ length: 256 }, (_, byte) => decodeAlawByte(byte)),
};

/** Position of the highest set bit above `lowest`, counted from there: the segment number. */
function segmentOf(magnitude: number, lowest: number): number {
  let segment = 0;
  while (segment < 7 && magnitude >> (lowest + segment + 1) !== 0) segment += 1;
  return segment;
}

function encodeMulawSample(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(sample), MULAW_CLIP) + MULAW_BIAS;
  const segment = segmentOf(magnitude, 7);
  return ~(sign | (segment << 4) | ((magnitude >> (segment + 3)) & 0x0f)) & 0xff;
}

function encodeAlawSample(sample: number): number {
  const sign = sample >= 0 ? 0x80 : 0;
  const magnitude = Math.min(sample >= 0 ? sample : -sample - 1, 32_767);
  const segment = segmentOf(magnitude, 7);
  const mantissa = (magnitude >> (segment === 0 ? 4 : segment + 3)) & 0x0f;
  return (sign | (segment << 4) | mantissa) ^ ALAW_TOGGLE;
}

/** PCM16 samples at 8 kHz. */
export function decodeG711(law: Law, bytes: Uint8Array): Int16Array {
  const table = TABLES[law];
  const samples = new Int16Array(bytes.length);
  for (let index = 0; index < bytes.length; index++) {
    samples[index] = table[bytes[index] as number] as number;
  }
  return samples;
}

/** Expects PCM16 samples at 8 kHz. */
export function encodeG711(law: Law, samples: Int16Array): Buffer {
  const encode = law === 'pcmu' ? encodeMulawSample : encodeAlawSample;
  const bytes = Buffer.alloc(samples.length);
  for (let index = 0; index < samples.length; index++) {
    bytes[index] = encode(samples[index] as number);
  }
  return bytes;
}
