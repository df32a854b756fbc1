/**
 * Turns key presses into shortcuts: single keys (`?`, `/`, `space`) and two in a row (`g h`). A
 * first key expires after a moment and with any other key.
 */
export const SEQUENCE_TIMEOUT_MS = 1200;

export interface KeySequence {
  /** The shortcuts that this press may complete, the longer one first. */
  press(key: string, atMs: number): string[];
}

export function createKeySequence(): KeySequence {
  let pending: { key: string; atMs: number } | null = null;
  return {
    press(pressed, atMs) {
      const key =
        pressed === ' ' ? 'space' : pressed.length === 1 ? pressed.toLowerCase() : pressed;
      const fresh = pending !== null && atMs - pending.atMs <= SEQUENCE_TIMEOUT_MS;
      const first = fresh ? pending!.key : null;
      pending = first === null && key === 'g' ? { key, atMs } : null;
      return first === null ? [key] : [`${first} ${key}`, key];
    },
  };
}

const TYPING = 'input, textarea, select, [contenteditable]:not([contenteditable="false"])';
const TAKES_SPACE =
  'button, a[href], summary, audio, [role="slider"], [role="tab"], [role="radio"]';

/** Whether a press belongs to the element that has the focus and not to the page. */
export function belongsToElement(element: Element | null, key: string): boolean {
  if (element === null) return false;
  if (element.closest(TYPING) !== null) return true;
  return key === ' ' && element.closest(TAKES_SPACE) !== null;
}
