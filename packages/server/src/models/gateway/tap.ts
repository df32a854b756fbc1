import { StringDecoder } from 'node:string_decoder';
import { parseJson } from '../../kernel/index.ts';
import type { TokenUsage } from '../prices.ts';
import type { TextProtocol } from '../text-upstream.ts';
import { createUsageReader } from './usage.ts';

/**
 * Reads the usage from an answer that passes through. It keeps at most one event (or one answer
 * that is not streamed) of bounded length; a longer one is not read, and its usage stays unknown.
 */
export interface UsageTap {
  push(chunk: Buffer): void;
  /** Null when the answer reported no usage, or could not be read. */
  end(): TokenUsage | null;
}

export function createUsageTap(
  protocol: TextProtocol,
  contentType: string,
  maxChars: number,
): UsageTap {
  const isStream = /^text\/event-stream\b/i.test(contentType);
  return isStream ? new StreamTap(protocol, maxChars) : new WholeTap(protocol, maxChars);
}

/** Only events with one of these can report usage; the others are not parsed. */
const MARKS = ['"usage"', '"usageMetadata"'];

class StreamTap implements UsageTap {
  readonly #reader;
  readonly #maxChars: number;
  readonly #decoder = new StringDecoder('utf8');
  #line = '';
  #data = '';
  /** The current event is too long; reset at its end. */
  #overflowed = false;

  constructor(protocol: TextProtocol, maxChars: number) {
    this.#reader = createUsageReader(protocol);
    this.#maxChars = maxChars;
  }

  push(chunk: Buffer): void {
    // Only the new text is searched, so that a long line costs no more than its length.
    const [first = '', ...rest] = this.#decoder.write(chunk).split('\n');
    this.#grow(first);
    for (const part of rest) {
      this.#endLine();
      this.#grow(part);
    }
  }

  end(): TokenUsage | null {
    this.#endLine();
    this.#endEvent();
    return this.#reader.final();
  }

  #grow(text: string): void {
    if (this.#line.length + this.#data.length + text.length > this.#maxChars) {
      this.#overflowed = true;
      this.#data = '';
      this.#line = 'x';
      return;
    }
    this.#line += text;
  }

  #endLine(): void {
    const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line;
    this.#line = '';
    if (line === '') this.#endEvent();
    else if (!this.#overflowed && line.startsWith('data:')) {
      this.#data += this.#data === '' ? line.slice(5) : `\n${line.slice(5)}`;
    }
  }

  #endEvent(): void {
    const data = this.#data;
    this.#data = '';
    if (!this.#overflowed && MARKS.some(mark => data.includes(mark))) {
      this.#reader.add(parsed(data));
    }
    this.#overflowed = false;
  }
}

class WholeTap implements UsageTap {
  readonly #reader;
  readonly #maxChars: number;
  #parts: Buffer[] = [];
  #sizeBytes = 0;

  constructor(protocol: TextProtocol, maxChars: number) {
    this.#reader = createUsageReader(protocol);
    this.#maxChars = maxChars;
  }

  push(chunk: Buffer): void {
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes > this.#maxChars) this.#parts = [];
    else this.#parts.push(chunk);
  }

  end(): TokenUsage | null {
    if (this.#sizeBytes > this.#maxChars) return null;
    const value = parsed(Buffer.concat(this.#parts).toString('utf8'));
    // Without `alt=sse` Gemini streams one JSON array.
    for (const one of Array.isArray(value) ? value : [value]) this.#reader.add(one);
    return this.#reader.final();
  }
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
