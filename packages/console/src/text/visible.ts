/**
 * Control characters, and those that are drawn as nothing or reorder what stands around them: with
 * them a name looks like another, and code reads as what it does not do. What belongs to text
 * stays: tabs, ends of lines, the joiners of scripts and emoji, the selectors of variants.
 */
const UNSEEN = /(?!\t|\n|\r\n|\u200c|\u200d|\p{VS})[\p{Cc}\p{Bidi_C}\p{DI}\u2028\u2029]/gu;

/** The text with the code of each in its place, such as `⟨U+202E⟩`. Doing so twice is once. */
export function visible(text: string): string {
  return text.replace(UNSEEN, character => {
    const code = character.codePointAt(0)!.toString(16).toUpperCase();
    return `⟨U+${code.padStart(4, '0')}⟩`;
  });
}
