import { EVENT_DATA_MAX_BYTES } from '@holdfast/protocol';

/** The share of an event's data that one text may take; the rest is for ids and JSON. */
export const TEXT_MAX_BYTES = EVENT_DATA_MAX_BYTES / 2;

/** The start of a text, cut by its size as JSON, which is what the log bounds; `''` for no text. */
export function boundedText(value: unknown): string {
  let cut = typeof value === 'string' ? value.slice(0, TEXT_MAX_BYTES) : '';
  for (;;) {
    const sizeBytes = Buffer.byteLength(JSON.stringify(cut));
    if (sizeBytes <= TEXT_MAX_BYTES) return cut;
    const kept = Math.floor((cut.length * TEXT_MAX_BYTES) / sizeBytes) - 1;
    cut = cut.slice(0, Math.max(0, kept));
  }
}

/**
 * Cuts text so that it takes at most `maxBytes` as a JSON string, quotes not counted, keeping its
 * start or its end. What is cut is marked with `…`; half a surrogate pair is not left over.
 */
export function cutToJsonBytes(text: string, maxBytes: number, keep: 'start' | 'end'): string {
  if (jsonBytes(text) <= maxBytes) return text;
  const room = maxBytes - Buffer.byteLength(MARK);
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (jsonBytes(part(text, middle, keep)) <= room) low = middle;
    else high = middle - 1;
  }
  const kept = part(text, low, keep);
  return keep === 'start' ? kept + MARK : MARK + kept;
}

const MARK = '…';

function part(text: string, chars: number, keep: 'start' | 'end'): string {
  const cut = keep === 'start' ? text.slice(0, chars) : text.slice(text.length - chars);
  return cut.replace(keep === 'start' ? /[\ud800-\udbff]$/ : /^[\udc00-\udfff]/, '');
}

function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
