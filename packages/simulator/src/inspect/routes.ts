/**
 * `/_simulator/…`: what tests read and change. Answers only direct loopback requests that no web
 * page sent, because it hands out request headers and switches faults.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { App } from '../app.ts';
import { behaviourSchema } from '../behaviour.ts';
import { befallSession, faultRule } from '../faults/rules.ts';
import { readJson } from '../http/body.ts';
import { HttpError, sendJson } from '../http/respond.ts';
import { announce } from '../sip/open-sip-call.ts';

export const INSPECT_PREFIX = '/_simulator/';
const LOOPBACK = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);

interface Context {
  app: App;
  request: IncomingMessage;
  response: ServerResponse;
  /** Path segments after the prefix. */
  segments: string[];
}

export async function inspect(app: App, request: IncomingMessage, response: ServerResponse) {
  const local = LOOPBACK.has(request.socket.remoteAddress ?? '');
  if (!local || request.headers.origin !== undefined) throw new HttpError(403, 'Forbidden.');
  const { pathname } = new URL(request.url ?? '/', 'http://simulator');
  const segments = pathname.slice(INSPECT_PREFIX.length).split('/');
  const context = { app, request, response, segments };
  if (segments[0] === 'sessions') return sessions(context);
  if (segments[0] === 'text') return sendJson(response, 200, app.textCounters.view());
  if (segments[0] === 'faults') return faults(context);
  if (segments[0] === 'sip') return sip(context);
  if (segments[0] === 'settings') return settings(context);
  throw new HttpError(404, 'Not found.');
}

async function sessions(context: Context): Promise<void> {
  const { app, request, response, segments } = context;
  const [, id, part] = segments;
  const nowMs = app.clock.nowMs();
  if (id === undefined) {
    if (request.method === 'DELETE') app.registry.forgetEnded();
    sendJson(response, 200, { data: app.registry.list().map(record => record.view(nowMs)) });
    return;
  }
  const entry = app.registry.find(id);
  if (entry === undefined) throw new HttpError(404, 'No such session.');
  if (part === undefined) sendJson(response, 200, entry.record.view(nowMs));
  else if (part === 'envelope') sendJson(response, 200, entry.record.envelope.view());
  else if (part === 'faults' && request.method === 'POST') {
    const rule = await readChecked(request, faultRule);
    if (entry.target === undefined) throw new HttpError(409, 'The session has ended.');
    befallSession([rule], entry.target);
    sendJson(response, 201, rule);
  } else throw new HttpError(404, 'Not found.');
}

async function faults(context: Context): Promise<void> {
  const { app, request, response, segments } = context;
  const [, id] = segments;
  if (request.method === 'POST' && id === undefined) {
    const rule = await readChecked(request, faultRule);
    const added = app.faults.add(rule);
    if (added === undefined) throw new HttpError(409, 'Too many faults are active.');
    sendJson(response, 201, { id: added, ...rule });
    return;
  }
  if (request.method === 'DELETE') {
    if (id === undefined) app.faults.clear();
    else if (!app.faults.remove(id)) throw new HttpError(404, 'No such fault.');
  }
  sendJson(response, 200, { data: app.faults.list() });
}

const incoming = z.strictObject({
  webhook_url: z.url().optional(),
  webhook_secret: z.string().min(1).optional(),
});

/** Rings: `POST sip` makes a call come in and announces it; `GET sip/{id}` shows what became. */
async function sip(context: Context): Promise<void> {
  const { app, request, response, segments } = context;
  const [, id] = segments;
  if (id !== undefined) {
    const call = app.sipCalls.view(id);
    if (call === undefined) throw new HttpError(404, 'No such call.');
    return sendJson(response, 200, { call_id: id, ...call });
  }
  const { webhook_url: url, webhook_secret: secret = '' } = await readChecked(request, incoming);
  const call_id = app.random.id('rtc');
  app.sipCalls.ring(call_id);
  const status = url === undefined ? null : await announce(app, { id: call_id, url, secret });
  sendJson(response, 201, { call_id, webhook_status: status });
}

async function settings({ app, request, response }: Context): Promise<void> {
  if (request.method === 'PATCH') {
    const patch = await readChecked(request, z.record(z.string(), z.unknown()));
    app.behaviour = check(behaviourSchema, { ...app.behaviour, ...patch });
  }
  sendJson(response, 200, app.behaviour);
}

async function readChecked<T extends z.ZodType>(
  request: IncomingMessage,
  schema: T,
): Promise<z.infer<T>> {
  return check(schema, await readJson(request));
}

function check<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new HttpError(400, z.prettifyError(result.error));
}
