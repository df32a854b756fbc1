/**
 * Reading `input_audio_buffer.append`, by far the most frequent client event. Written the usual
 * way (`{"type":"input_audio_buffer.append","audio":"…"}`) it is cut out of the message without
 * parsing; any other spelling goes through the parser and ends up here too.
 */
import { MAX_APPEND_BASE64_BYTES } from '../limits.ts';
import { ProtocolError } from './errors.ts';

export const APPEND = 'input_audio_buffer.append';
const PREFIX = Buffer.from(`{"type":"${APPEND}","audio":"`);
const SUFFIX = Buffer.from('"}');
const BACKSLASH = 0x5c;
const QUOTE = 0x22;

/** The base64 text of a plainly spelled append, or undefined when the message is something else. */
export function plainAppend(message: Buffer): string | undefined {
  const end = message.length - SUFFIX.length;
  if (end < PREFIX.length || PREFIX.compare(message, 0, PREFIX.length) !== 0) return undefined;
  if (SUFFIX.compare(message, end) !== 0) return undefined;
  const payload = message.subarray(PREFIX.length, end);
  if (payload.includes(QUOTE) || payload.includes(BACKSLASH)) return undefined;
  return payload.toString('latin1');
}

/** The audio bytes of an append; throws when the text is too long or not base64. */
export function decodeAudio(base64: string, param = 'audio'): Buffer {
  if (base64.length > MAX_APPEND_BASE64_BYTES) {
    throw new ProtocolError('string_above_max_length', 'Audio exceeds 15 MiB.', param);
  }
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length === expectedBytes(base64)) return bytes;
  throw new ProtocolError(
    'invalid_value',
    `Invalid '${param}'. Expected base64-encoded audio bytes.`,
    param,
  );
}

/** Node skips what is not base64, so a wrong character shows in the length. */
function expectedBytes(base64: string): number | undefined {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  const digits = base64.length - padding;
  return digits % 4 === 1 ? undefined : Math.floor((digits * 3) / 4);
}
