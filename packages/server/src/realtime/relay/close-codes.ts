/**
 * Close codes (RFC 6455 §7.4 and the IANA registry): which may be sent, what a received close frame
 * means, and what one side's close becomes on the other side.
 */
import { isUtf8 } from 'node:buffer';
import { FrameViolation } from './frame-scanner.ts';

/** A close frame without a code. Exists in programs only; on the wire it is an empty payload. */
const CLOSE_NO_CODE = 1005;

/** The content of one close frame. `code` is 1005 when it had no payload. */
export interface CloseFrame {
  readonly code: number;
  readonly reason: string;
}

/** Whether `code` may stand in a close frame. */
function isLegalCloseCode(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

/** The code to send for `code`: itself if legal, an empty close for 1005, else 1011. */
export function sendableCloseCode(code: number): number {
  return isLegalCloseCode(code) || code === CLOSE_NO_CODE ? code : 1011;
}

/**
 * Reads a close frame's payload. Clients are held to the rules: an illegal code is a 1002, a reason
 * that is not UTF-8 a 1007. An upstream's illegal close is still a close; its code is left as it
 * came, for `sendableCloseCode` to map, and a broken reason is dropped.
 */
export function readClose(payload: Buffer, strict: boolean): CloseFrame {
  if (payload.length < 2) return { code: CLOSE_NO_CODE, reason: '' };
  const code = payload.readUInt16BE(0);
  const reason = payload.subarray(2);
  const validReason = isUtf8(reason);
  if (strict) {
    if (!isLegalCloseCode(code)) throw new FrameViolation(1002, 'illegal close code');
    if (!validReason) throw new FrameViolation(1007, 'close reason is not UTF-8');
  }
  return { code, reason: validReason ? reason.toString('utf8') : '' };
}
