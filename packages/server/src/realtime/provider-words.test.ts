import { describe, expect, it } from 'vitest';
import { readWords } from './provider-words.ts';

const NOW_MS = Date.parse('2026-11-30T12:00:00Z');

const read = (body: string, headers: Record<string, string> = {}, secrets: string[] = []) =>
  readWords({ status: 429, headers, body }, secrets, NOW_MS);

describe('what a provider says', () => {
  it.each([
    [
      'OpenAI',
      '{"error":{"message":"No.","type":"t","param":"a.b","code":"c"}}',
      'c',
      'No.',
      'a.b',
    ],
    ['Azure', '{"error":{"code":"429","message":"No."}}', '429', 'No.', null],
    ['an API gateway', '{ "statusCode": 429, "message": "No." }', null, 'No.', null],
    ['problem details', '{"title":"T","detail":"No.","code":7}', '7', 'No.', null],
    ['an error that is a text', '{"error":"No.","code":"c"}', 'c', 'No.', null],
    ['plain text', 'upstream connect error\n', null, 'upstream connect error', null],
    ['a page', '<html><body>502 Bad Gateway</body></html>', null, null, null],
    ['nothing', '', null, null, null],
    ['a long text', 'x'.repeat(5_000), null, null, null],
    ['broken JSON of some length', `{"error":"${'x'.repeat(900)}`, null, null, null],
    ['a list', '[1]', null, null, null],
    ['a code that is none', '{"error":{"code":"a b","message":7}}', null, null, null],
  ])('%s', (_, body, code, message, param) => {
    expect(read(body)).toMatchObject({ status: 429, code, message, param });
  });

  it('is one line, and bounded', () => {
    expect(read('{"message":"a\\r\\n\\u0000 b\\tc"}').message).toBe('a b c');
    const { message } = read(JSON.stringify({ message: 'word '.repeat(500) }));
    expect(message!.length).toBeLessThan(450);
  });

  it.each([
    [{ 'retry-after': '120' }, 120],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': 'Mon, 30 Nov 2026 12:02:00 GMT' }, 120],
    [{ 'retry-after': 'Mon, 30 Nov 2026 11:00:00 GMT' }, null],
    [{ 'retry-after': 'soon' }, null],
    [{ 'retry-after': '-5' }, null],
    [{ 'retry-after-ms': '1500', 'retry-after': '2' }, 1.5],
    [{ 'retry-after': '99999999' }, 24 * 3600],
    [{}, null],
  ])('reads the time to retry of %o', (headers, retryAfterS) => {
    expect(read('', headers as Record<string, string>).retryAfterS).toBe(retryAfterS);
  });

  it.each([
    ['a key that we sent', 'Key 0123abcd is wrong.', 'Key *** is wrong.'],
    ['the resource', 'Resource acme.openai.azure.com is gone.', 'Resource *** is gone.'],
    ['a key of a known form', 'Incorrect: sk-proj-1234567890abcdef.', 'Incorrect: ***.'],
    ['a key that is partly hidden', 'Incorrect: sk-proj-****wxyz.', 'Incorrect: ***.'],
    ['a short one', 'Incorrect: sk-...wxyz.', 'Incorrect: ***.'],
    ['one of no known form', 'Incorrect: abcd******wxyz.', 'Incorrect: ***.'],
    ['an account', 'Limit in org-AbCdEfGh123 reached.', 'Limit in *** reached.'],
    ['private addresses', 'no route to 10.1.2.3:443 via 192.168.1.9', 'no route to *** via ***'],
    ['a bearer', 'Bearer abcdef1234567890 refused', 'Bearer *** refused'],
  ])('leaves out %s', (_, message, shown) => {
    const secrets = ['0123abcd', 'acme.openai.azure.com'];
    expect(read(JSON.stringify({ message }), {}, secrets).message).toBe(shown);
  });
});
