/** Small, pure helpers for PCM16: bytes, base64, loudness. Little-endian, as the protocol asks. */
const CHUNK_BYTES = 0x8000;

/** The frame's bytes, little-endian on every machine. */
export function toBytes(pcm: Int16Array): Uint8Array {
  const bytes = new Uint8Array(pcm.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < pcm.length; i++) view.setInt16(i * 2, pcm[i]!, true);
  return bytes;
}

/** The samples of little-endian bytes; a lone last byte is dropped. */
export function fromBytes(bytes: Uint8Array): Int16Array {
  const pcm = new Int16Array(Math.floor(bytes.length / 2));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < pcm.length; i++) pcm[i] = view.getInt16(i * 2, true);
  return pcm;
}

export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += CHUNK_BYTES) {
    binary += String.fromCharCode(...bytes.subarray(i, i + CHUNK_BYTES));
  }
  return btoa(binary);
}

/** The bytes, or null where `text` is not base64. */
export function fromBase64(text: string): Uint8Array | null {
  try {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch {
    return null;
  }
}

const FLOOR_DB = -60;

/** Loudness of a frame for a meter: 0 at or below -60 dBFS, 1 at full scale. */
export function level(pcm: Int16Array): number {
  if (pcm.length === 0) return 0;
  let sum = 0;
  for (const sample of pcm) sum += (sample / 32_768) ** 2;
  const rms = Math.sqrt(sum / pcm.length);
  if (rms === 0) return 0;
  const decibels = 20 * Math.log10(rms);
  return Math.min(1, Math.max(0, 1 - decibels / FLOOR_DB));
}

/** Floats of an audio graph to PCM16, clipped. */
export function toPcm16(floats: Float32Array): Int16Array {
  const pcm = new Int16Array(floats.length);
  for (let i = 0; i < floats.length; i++) {
    const clipped = Math.max(-1, Math.min(1, floats[i]!));
    pcm[i] = Math.round(clipped < 0 ? clipped * 32_768 : clipped * 32_767);
  }
  return pcm;
}
