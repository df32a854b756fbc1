/** What is sent to a route that takes a body: right, nearly right, and nonsense of every type. */
import fc from 'fast-check';
import type { RouteInfo } from '../../../../packages/server/src/http/index.ts';
import { BOUNDARY, UPLOAD_TYPE } from '../owned-things.ts';
import type { Known } from './known-things.ts';
import { type Json, jsonBomb, mutated, nastyJson, nastyText } from './values.ts';

export interface Content {
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const SDP_TYPE = { 'content-type': 'application/sdp' };
const OVER_LIMIT_BYTES = 1024 * 1024 + 1;
const GA_SESSION: Json = {
  type: 'realtime',
  model: 'gpt-realtime',
  instructions: 'Be kind.',
  output_modalities: ['audio'],
  tools: [{ type: 'function', name: 'f', description: 'd', parameters: { type: 'object' } }],
  audio: { input: { turn_detection: { type: 'server_vad' } }, output: { voice: 'verse' } },
};

/** Right bodies by the end of the path. */
const DOCUMENTS: Readonly<Record<string, Json>> = {
  '/translations/client_secrets': {
    expires_after: { anchor: 'created_at', seconds: 600 },
    session: { model: 'gpt-realtime', audio: { output: { language: 'fr' } } },
    holdfast: { max_sessions: 2, locked: ['model'] },
  },
  '/accept': { type: 'realtime', model: 'gpt-realtime', instructions: 'Be kind.' },
  '/reject': { status_code: 486 },
  '/refer': { target_uri: 'tel:+15550123' },
  '/transcription_sessions': {
    input_audio_format: 'pcm16',
    input_audio_transcription: { model: 'whisper-1' },
    turn_detection: { type: 'server_vad', threshold: 0.5 },
  },
  '/client_secrets': {
    expires_after: { anchor: 'created_at', seconds: 600 },
    session: GA_SESSION,
    holdfast: { max_sessions: 2, locked: ['voice'] },
  },
  '/sessions': {
    model: 'gpt-realtime',
    voice: 'verse',
    instructions: 'Be kind.',
    modalities: ['audio', 'text'],
    user_id: 'user-1',
    tools: [{ type: 'function', name: 'f' }],
    turn_detection: { type: 'server_vad', threshold: 0.5 },
    input_audio_format: 'pcm16',
  },
  '/v1/responses': { model: 'gpt-5.1-codex', input: 'Hello.', stream: true },
  '/chat/completions': { model: 'gpt-5.1-codex', messages: [{ role: 'user', content: 'x' }] },
  '/anthropic/v1/messages': {
    model: 'claude-sonnet-4-5',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'x' }],
  },
  '/count_tokens': { model: 'claude-sonnet-4-5', messages: [{ role: 'user', content: 'x' }] },
  '/models/:target': { contents: [{ role: 'user', parts: [{ text: 'x' }] }] },
  '/budgets': { scope: 'owner', owner: 'user:none', limit_usd: 5 },
  '/provider-keys': { provider: 'azure', name: 'a key', key: 'k'.repeat(40) },
  '/api-keys': { name: 'a key', role: 'Viewer', expires_in_days: 3 },
  '/v1/repos/:id': {
    name: 'renamed',
    default_branch: 'main',
    test_command: 'true',
    allow_ci_changes: true,
  },
  '/v1/tasks/:id': { title: 'Renamed', column: 'todo' },
  '/messages': { instruction: 'And this.' },
  '/v1/tasks/:id/runs': {
    agents: ['builtin'],
    instruction: 'Once more.',
    base_ref: 'main',
    model: 'gpt-5.1-codex',
  },
  '/v1/hosted-tools': { allowed: [] },
  '/queue/redrive': { job_id: '00000000-0000-4000-8000-000000000000' },
};

/** Right bodies that name things, by the end of the path. */
const NAMING: Readonly<Record<string, (known: Known) => Json>> = {
  '/v1/repos': ({ folder }) => ({
    path: folder,
    name: 'app',
    default_branch: 'main',
    test_command: 'true',
  }),
  '/v1/tasks': ({ repo }) => ({ repo_id: repo, title: 'A task', instruction: 'Do it.' }),
  '/v1/limits': ({ keys }) => ({
    subject: keys[0]!,
    max_sessions: 20,
    requests_per_minute: 300,
    request_burst: null,
  }),
  '/stream/tickets': ({ endedRuns }) => ({ subjects: [...endedRuns.slice(0, 3)] }),
};
const METADATA: Json = {
  audio_type: 'user_speech',
  format: 'wav',
  duration: 3,
  sample_rate: 24_000,
  channels: 1,
  timestamp_start: '2026-11-22T10:00:00Z',
  timestamp_end: '2026-11-22T10:00:03Z',
  language: 'ja-JP',
  confidence_score: 0.9,
  transcription: 'hello',
  speaker: { name: '田中', scores: [0.5] },
};

function documentOf({ url }: RouteInfo, known: Known): Json | undefined {
  const path = url.replace(/\/$/, '');
  const naming = Object.keys(NAMING).find(suffix => path.endsWith(suffix));
  if (naming !== undefined) return NAMING[naming]!(known);
  const end = Object.keys(DOCUMENTS).find(suffix => path.endsWith(suffix));
  return end === undefined ? undefined : DOCUMENTS[end];
}

const takesBody = ({ method }: RouteInfo) => ['POST', 'PUT', 'PATCH'].includes(method);
const takesOffer = ({ url }: RouteInfo) => /\/calls$|\/realtime\/?$/.test(url);
const json = (value: Json): Content => ({
  headers: JSON_TYPE,
  body: Buffer.from(JSON.stringify(value)),
});

export function validBody(route: RouteInfo, known: Known): Content {
  if (!takesBody(route)) return { headers: {} };
  if (route.url === '/audio/upload') return { headers: UPLOAD_TYPE, body: known.upload };
  if (takesOffer(route)) return { headers: SDP_TYPE, body: Buffer.from(known.sdp) };
  const document = documentOf(route, known);
  return document === undefined ? { headers: {} } : json(document);
}

export function bodyFor(route: RouteInfo, known: Known): fc.Arbitrary<Content> {
  const nothing: fc.Arbitrary<Content> = fc.constant({ headers: {} });
  if (!takesBody(route)) {
    return fc.oneof({ weight: 6, arbitrary: nothing }, { weight: 1, arbitrary: nonsense });
  }
  return fc.oneof(
    { weight: 6, arbitrary: specific(route, known) },
    { weight: 1, arbitrary: nothing },
    { weight: 2, arbitrary: nonsense },
  );
}

function specific(route: RouteInfo, known: Known): fc.Arbitrary<Content> {
  const document = documentOf(route, known);
  if (document !== undefined) return mutated(document).map(json);
  if (route.url === '/audio/upload') return uploads(known);
  return takesOffer(route) ? offers(known) : nastyJson.map(json);
}

const nonsense: fc.Arbitrary<Content> = fc.oneof(
  nastyJson.map(json),
  jsonBomb.map(text => ({ headers: JSON_TYPE, body: Buffer.from(text) })),
  fc.record({
    headers: fc
      .constantFrom(
        ...['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1'],
        ...[
          'multipart/form-data',
          'multipart/form-data; boundary=',
          'application/sdp',
          '',
          '/',
          ';',
        ],
        ...['application/json, text/html', 'application/vnd.api+json', 'image/png', '*/*'],
      )
      .map(type => ({ 'content-type': type })),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes)),
      nastyText.map(text => Buffer.from(text)),
    ),
  }),
);

/** Now and then a whole one, which the model is asked about. */
function offers({ sdp }: Known): fc.Arbitrary<Content> {
  const lines = sdp.split('\r\n');
  const torn = fc
    .tuple(fc.nat({ max: lines.length - 1 }), nastyText)
    .map(([at, text]) => lines.with(at, text).join('\r\n'));
  const text = fc.oneof(
    { weight: 4, arbitrary: torn },
    { weight: 4, arbitrary: nastyText },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        sdp,
        'v=0\r\nm=audio 9 x 0\r\n',
        `v=0${'m=audio \n'.repeat(9000)}`,
      ),
    },
  );
  const plain = text.map(body => ({ headers: SDP_TYPE, body: Buffer.from(body) }));
  const form = fc.tuple(text, mutated(GA_SESSION), nastyText).map(([body, session, name]) =>
    parts([
      { name: 'sdp', value: body },
      { name: name.length % 3 === 0 ? name : 'session', value: JSON.stringify(session) },
    ]),
  );
  return fc.oneof({ weight: 2, arbitrary: plain }, { weight: 1, arbitrary: form });
}

function uploads({ upload }: Known): fc.Arbitrary<Content> {
  const audio = upload.subarray(upload.indexOf('RIFF'), upload.lastIndexOf(`\r\n--${BOUNDARY}`));
  const file = fc.oneof(
    { weight: 3, arbitrary: fc.constant(audio) },
    { weight: 1, arbitrary: fc.nat({ max: audio.length }).map(size => audio.subarray(0, size)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)) },
  );
  const metadata = fc.oneof(
    { weight: 4, arbitrary: mutated(METADATA).map(value => JSON.stringify(value)) },
    { weight: 1, arbitrary: jsonBomb },
  );
  const whole = fc
    .tuple(file, metadata, nastyText, fc.nat({ max: 9 }))
    .map(([value, described, text, kind]) =>
      parts([
        { name: 'metadata', value: described },
        { name: 'audio_file', value, filename: kind === 0 ? text : 'a.wav' },
        ...(kind === 1 ? [{ name: text, value: text }] : []),
        ...(kind === 2 ? [{ name: 'audio_file', value, filename: 'b.wav' }] : []),
      ]),
    );
  const torn = fc
    .nat({ max: upload.length })
    .map(size => ({ headers: UPLOAD_TYPE, body: upload.subarray(0, size) }));
  const tooLong = fc.constant({ headers: JSON_TYPE, body: Buffer.alloc(OVER_LIMIT_BYTES, ' ') });
  return fc.oneof(
    { weight: 8, arbitrary: whole },
    { weight: 2, arbitrary: torn },
    { weight: 1, arbitrary: tooLong },
  );
}

interface Part {
  readonly name: string;
  readonly value: string | Buffer;
  readonly filename?: string;
}

function parts(all: readonly Part[]): Content {
  const chunks = all.flatMap(({ name, value, filename }) => {
    const file = filename === undefined ? '' : `; filename="${filename}"`;
    const head = `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"${file}\r\n\r\n`;
    return [Buffer.from(head), Buffer.from(value), Buffer.from('\r\n')];
  });
  return {
    headers: UPLOAD_TYPE,
    body: Buffer.concat([...chunks, Buffer.from(`--${BOUNDARY}--\r\n`)]),
  };
}
