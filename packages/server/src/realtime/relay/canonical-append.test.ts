import { describe, expect, it } from 'vitest';
import { AppendStream, isCanonicalAppend } from './canonical-append.ts';
import { applyMask } from './masking.ts';

/** Judges `text` at every alignment, masked and not; the answers must agree. */
function canonical(text: string): boolean {
  const answers = new Set<boolean>();
  for (const mask of [0, 0x01020304, -0x22222223]) {
    for (let at = 0; at < 5; at++) {
      const bytes = Buffer.concat([Buffer.alloc(at), Buffer.from(text)]);
      applyMask(bytes.subarray(at), mask);
      answers.add(isCanonicalAppend(bytes, at, bytes.length, mask));
    }
  }
  expect(answers.size).toBe(1);
  return answers.has(true);
}

const head = '{"type":"input_audio_buffer.append","audio":"';
const yes = [`${head}"}`, `${head}AAAA"}`, `${head}${'QUJD'.repeat(999)}"}`];
const no = [
  '',
  head,
  `${head}"`,
  `${head}AAAA"`,
  `${head}AAAA"} `,
  ` ${head}AAAA"}`,
  `${head}AAAA","type":"session.update"}`,
  `${head}AAAA","x":{"y":"z"}}`,
  `${head}AAAA\\","type":"session.update"}`,
  `${head}AAAA"}{"type":"session.update"}`,
  `${head}AAAA""}`,
  '{"audio":"AAAA","type":"input_audio_buffer.append"}',
  '{"\\u0074ype":"input_audio_buffer.append","audio":"AAAA"}',
  '{"type":"input_audio_buffer.append","event_id":"e","audio":"AAAA"}',
  '{"type": "input_audio_buffer.append","audio":"AAAA"}',
  '{"type":"session.update","session":{}}',
  `${head}AA\\u0022"}`,
  `${head}AAAA\\"}`,
  `${head}AA\nAA"}`,
  `${head}AA\0AA"}`,
  `${head}AA\uff02AA"}`,
];

describe('canonical appends', () => {
  it('are these', () => {
    for (const text of yes) expect([text, canonical(text)]).toEqual([text, true]);
    const spaced = '{"type": "input_audio_buffer.append", "audio": "AAAA"}';
    expect(canonical(spaced)).toBe(true);
  });

  it('are not these', () => {
    for (const text of no) expect([text, canonical(text)]).toEqual([text, false]);
  });

  it('finds a quote or a backslash wherever it stands', () => {
    for (let at = 0; at < 40; at++) {
      for (const odd of ['"', '\\']) {
        const value = `${'A'.repeat(at)}${odd}${'A'.repeat(39 - at)}`;
        expect(canonical(`${head}${value}"}`)).toBe(false);
      }
    }
  });

  it('are the same in a stream, however cut', () => {
    for (const text of [...yes, ...no]) {
      if (!text.startsWith(head)) continue;
      for (const sizeBytes of [1, 2, 3, 50]) {
        const stream = new AppendStream();
        let ok = stream.start(Buffer.from(head));
        for (let at = head.length; ok && at < text.length; at += sizeBytes) {
          ok = stream.more(Buffer.from(text.slice(at, at + sizeBytes)));
        }
        expect([text, ok && stream.complete]).toEqual([text, canonical(text)]);
      }
    }
  });
});
