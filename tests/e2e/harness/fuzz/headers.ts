/** Headers: credentials, origins, types, and garbage in each of them. */
import fc from 'fast-check';
import type { Known } from './known-things.ts';
import { nastyText } from './values.ts';

type Headers = Readonly<Record<string, string>>;

/** What may stand in a header of a well-formed request. */
const headerText = nastyText.map(text =>
  Buffer.from(text)
    .toString('latin1')
    .replace(/[^\t\x20-\x7e\x80-\xff]/g, '')
    .slice(0, 2000),
);

export function headersFor(known: Known): fc.Arbitrary<Headers> {
  const caller = fc.oneof(
    { weight: 6, arbitrary: fc.constant<Headers>(known.admin) },
    { weight: 3, arbitrary: fc.constant<Headers>({}) },
    { weight: 1, arbitrary: credential(known) },
  );
  const session = fc
    .tuple(fc.boolean(), fc.nat({ max: 1000 }), headerText)
    .map(([right, pick, text]): Headers => {
      const id = known.sessions[pick % known.sessions.length]!;
      return { 'session-id': right ? id : text };
    });
  const extras = fc.array(extra(known), { maxLength: 3 }).map(all => Object.assign({}, ...all));
  return fc.tuple(caller, session, extras).map(parts => Object.assign({}, ...parts) as Headers);
}

function credential(known: Known): fc.Arbitrary<Headers> {
  return fc.oneof(
    headerText.map(text => ({ authorization: text })),
    headerText.map(text => ({ authorization: `Bearer ${text}` })),
    headerText.map(text => ({ cookie: text })),
    headerText.map(text => ({ 'api-key': text })),
    fc.constantFrom<Headers[]>(
      { authorization: `Bearer ${known.secret}` },
      { authorization: `Bearer hf_${'a'.repeat(43)}` },
      { authorization: 'Bearer a.b.c' },
      { cookie: `holdfast_session=${'a'.repeat(43)}` },
      { 'x-forwarded-for': '10.0.0.1' },
      { via: '1.1 x' },
    ),
  );
}

function extra(known: Known): fc.Arbitrary<Headers> {
  const named = fc
    .tuple(
      fc.constantFrom(
        ...['accept', 'accept-encoding', 'accept-language', 'range', 'if-none-match', 'if-range'],
        ...[
          'last-event-id',
          'idempotency-key',
          'x-request-id',
          'x-holdfast-project',
          'traceparent',
          'tracestate',
          'user-agent',
        ],
        ...['sec-fetch-site', 'origin', 'content-encoding', 'x-http-method-override', 'te', 'date'],
      ),
      headerText,
    )
    .map(([name, text]) => ({ [name]: text }));
  const usual = fc.constantFrom<Headers[]>(
    { 'last-event-id': '1' },
    { 'idempotency-key': 'the-same-for-all' },
    { accept: 'text/html' },
    { accept: 'application/json' },
    { range: 'bytes=0-9' },
    { range: 'bytes=-5' },
    { range: 'bytes=9-1,2-3' },
    { range: 'bytes=999999999999-' },
    { origin: `http://${known.host}` },
    { origin: 'http://evil.example' },
    { 'sec-fetch-site': 'same-origin' },
    { 'content-encoding': 'gzip' },
    { host: 'evil.example' },
    { expect: '100-continue' },
    { expect: 'the-unexpected' },
    { upgrade: 'h2c', connection: 'upgrade' },
    { 'access-control-request-method': 'DELETE', origin: 'http://evil.example' },
  );
  return fc.oneof({ weight: 2, arbitrary: named }, { weight: 3, arbitrary: usual });
}
