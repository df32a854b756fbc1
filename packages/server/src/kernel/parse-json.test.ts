import { describe, expect, it } from 'vitest';
import { JSON_LIMITS, JsonScanner, parseJson } from './parse-json.ts';

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const containers = (count: number) =>
  `[${Array(count - 1)
    .fill('{}')
    .join(',')}]`;
const commas = (count: number) => `[0${',0'.repeat(count)}]`;

describe('parseJson', () => {
  it.each([
    ['depth', nested, JSON_LIMITS.maxDepth, /nested too deeply/],
    ['containers', containers, JSON_LIMITS.maxContainers, /more than 50000 objects and arrays/],
    ['commas', commas, JSON_LIMITS.maxCommas, /more than 100000 members and elements/],
  ])('takes a text at the bound of %s, and none beyond', (_name, textOf, bound, refusal) => {
    expect(parseJson(textOf(bound))).toEqual(JSON.parse(textOf(bound)));
    expect(() => parseJson(textOf(bound + 1))).toThrow(refusal);
  });

  it('counts nothing that stands in a string, whatever is escaped in it', () => {
    const text = JSON.stringify(['[{,'.repeat(200_000), '\\', '"[', '\\"{', '日本[語']);
    expect(parseJson(text)).toEqual(JSON.parse(text));
    // The string ends before the brackets: an even number of backslashes escapes no quote.
    expect(() => parseJson(`["\\\\",${nested(JSON_LIMITS.maxDepth)}]`)).toThrow(/nested/);
  });

  it.each([
    [nested(JSON_LIMITS.maxDepth + 1), 'session is nested too deeply.'],
    ['{', 'session is not valid JSON.'],
  ])('names the text and the field at fault', (text, detail) => {
    const fault = { code: 'invalid_request', detail, field: 'session' };
    expect(() => parseJson(text, 'session', 'session')).toThrow(expect.objectContaining(fault));
  });
});

describe('JsonScanner', () => {
  /** Every text of up to six of the characters that matter. */
  const texts = Array.from({ length: 4 ** 6 }, (_, n) =>
    [...n.toString(4)].map(digit => '"\\[,'[Number(digit)]).join(''),
  );
  /** The same, by a plain implementation. */
  function counted(text: string): { containers: number; commas: number } {
    const outside = text.replace(/"(?:\\.|[^"\\])*(?:"|\\?$)/g, '');
    const count = (sign: string) => outside.split(sign).length - 1;
    return { containers: count('['), commas: count(',') };
  }

  it('counts what stands outside of strings, however the text is cut', () => {
    for (const text of texts) {
      const { containers, commas } = counted(text);
      for (let cut = 0; cut < text.length; cut++) {
        const refusal = (maxContainers: number, maxCommas: number) => {
          const limits = { maxDepth: 10, maxContainers, maxCommas };
          const scanner = new JsonScanner('It', { limits });
          try {
            scanner.push(Buffer.from(text.slice(0, cut)));
            scanner.push(Buffer.from(text.slice(cut)));
          } catch (error) {
            return (error as Error).message;
          }
          return undefined;
        };
        expect([text, cut, refusal(containers, commas)]).toEqual([text, cut, undefined]);
        expect(refusal(containers - 1, commas)).toMatch(/objects/);
        expect(refusal(containers, commas - 1)).toMatch(/members/);
      }
    }
  });

  it('refuses 31 MB of empty arrays before they have all arrived', () => {
    const scanner = new JsonScanner('The body');
    const piece = Buffer.from('[],'.repeat(20_000));
    const pour = () => {
      for (let sent = 0; sent < 31e6; sent += piece.length) scanner.push(piece);
    };
    const startedMs = process.cpuUsage().user;
    expect(pour).toThrow('The body has more than 50000 objects and arrays.');
    expect((process.cpuUsage().user - startedMs) / 1000).toBeLessThan(200);
  });
});
