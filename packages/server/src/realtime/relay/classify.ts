/**
 * Tells audio messages from all others by looking at no more than their first bytes.
 *
 * Providers and SDKs put `type` first, or second after `event_id`. The compact form is compared
 * byte by byte; anything else is looked at as text. Within the bounded prefix an audio message that
 * is written unusually counts as "other": it is then assembled and tapped like a transcript, which
 * is slower and never wrong. The opposite mistake (a message dressed up as audio) only hides it
 * from the taps; where that matters, the direction runs guarded (`canonical-append.ts`).
 */
import { maxTypePrefixBytes } from './limits.ts';

export const UNDECIDED = 0;
export const AUDIO = 1;
export const OTHER = 2;
type Kind = typeof UNDECIDED | typeof AUDIO | typeof OTHER;

/** Recognises messages that carry audio. */
export interface Classifier {
  /** `[start, end)` of `bytes` is the beginning of a message, masked with `mask` (0: not). */
  readonly classify: (bytes: Buffer, start: number, end: number, mask: number) => Kind;
  readonly classifyText: (text: string) => Kind;
}

/** Length of `{"type":"`: a difference after that is another type, written canonically. */
const LEAD = 9;
/** Finds the type where providers and SDKs put it, without parsing the message. */
export const EVENT_TYPE = /^\s*\{\s*(?:"event_id"\s*:\s*"[^"\\]*"\s*,\s*)?"type"\s*:\s*"([^"\\]*)"/;

/** The most frequent type first. */
function audioClassifier(...types: readonly string[]): Classifier {
  const canonicals = types.map(type => Buffer.from(`{"type":"${type}"`, 'latin1'));
  const canonicalTexts = canonicals.map(canonical => canonical.toString('latin1'));

  function classifyText(text: string): Kind {
    if (canonicalTexts.some(canonical => text.startsWith(canonical))) return AUDIO;
    const match = EVENT_TYPE.exec(text.slice(0, maxTypePrefixBytes));
    if (match !== null) return types.includes(match[1]!) ? AUDIO : OTHER;
    return text.length < maxTypePrefixBytes ? UNDECIDED : OTHER;
  }

  function classify(bytes: Buffer, start: number, end: number, mask: number): Kind {
    let differs = true;
    for (const canonical of canonicals) {
      const length = Math.min(canonical.length, end - start);
      let i = 0;
      while (
        i < length &&
        (bytes[start + i]! ^ ((mask >>> ((i & 3) << 3)) & 0xff)) === canonical[i]
      ) {
        i++;
      }
      if (i === canonical.length) return AUDIO;
      // Up to its end it may be this type yet.
      differs &&= i >= LEAD && i < length;
    }
    if (differs) return OTHER;
    return classifyText(
      unmaskedText(bytes, start, Math.min(end, start + maxTypePrefixBytes), mask),
    );
  }

  return { classify, classifyText };
}

/** The type of the message that begins at `start`, as for `classify`, if it stands in front. */
export function typeOf(bytes: Buffer, start: number, mask: number): string | undefined {
  const end = Math.min(bytes.length, start + maxTypePrefixBytes);
  return EVENT_TYPE.exec(unmaskedText(bytes, start, end, mask))?.[1];
}

function unmaskedText(bytes: Buffer, start: number, end: number, mask: number): string {
  if (mask === 0) return bytes.toString('latin1', start, end);
  let text = '';
  for (let i = start; i < end; i++) {
    text += String.fromCharCode(bytes[i]! ^ ((mask >>> (((i - start) & 3) << 3)) & 0xff));
  }
  return text;
}

/** Audio from the upstream, GA protocol; of a conversation, and of a translation. */
export const serverAudio = audioClassifier(
  'response.output_audio.delta',
  'session.output_audio.delta',
);
/** Audio from the client; GA and preview protocol name it alike. */
export const clientAudio = audioClassifier(
  'input_audio_buffer.append',
  'session.input_audio_buffer.append',
);
