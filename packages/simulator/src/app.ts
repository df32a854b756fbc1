/**
 * What one simulator consists of, handed to everything that answers requests, and the way a session
 * comes into being whatever carries it.
 */
import type { Behaviour } from './behaviour.ts';
import type { ClientSecret, ClientSecrets } from './client-secrets.ts';
import type { Clock } from './clock.ts';
import type { FaultBook } from './faults/rules.ts';
import { type Credential, requireKey } from './http/auth.ts';
import { HttpError } from './http/respond.ts';
import { type RecordOptions, type RequestInfo, SessionRecord } from './inspect/record.ts';
import type { Registry } from './inspect/registry.ts';
import type { Random } from './random.ts';
import {
  applyRequest,
  defaultConfig,
  type SessionConfig,
  type SessionRequest,
} from './session/config.ts';
import { ProtocolError } from './session/errors.ts';
import type { MediaOutput } from './session/host.ts';
import { RealtimeSession } from './session/session.ts';
import type { Settings } from './settings.ts';
import type { SipCalls } from './sip/sip-calls.ts';
import type { TextCounters } from './text/counters.ts';
import type { TextProtocol } from './text/protocol.ts';
import { TranslationSession, type TranslationUpdate } from './translation/session.ts';
import type { Calls } from './webrtc/calls.ts';

export interface App {
  readonly settings: Settings;
  /** For new sessions; replaced as a whole through `/_simulator/settings`. */
  behaviour: Behaviour;
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
  readonly faults: FaultBook;
  readonly secrets: ClientSecrets;
  readonly calls: Calls;
  readonly sipCalls: SipCalls;
  readonly textCounters: TextCounters;
  /** Of its own for each simulator: it keeps what later requests refer to. */
  readonly responses: TextProtocol;
}

const SECRET_PREFIX = 'ek_';

/** Lets the caller in or throws 401; returns the client secret it came with, if any. */
export function authorize(app: App, credential: Credential | undefined): ClientSecret | undefined {
  if (credential?.key.startsWith(SECRET_PREFIX)) {
    const secret = app.secrets.find(credential.key, app.clock.nowMs());
    if (secret !== undefined) return secret;
  }
  requireKey(credential, app.settings.apiKey);
  return undefined;
}

export interface NewSession {
  transport: RecordOptions['transport'];
  /** Default: what the requests ask for, or a conversation. */
  type?: SessionConfig['type'];
  model: string | undefined;
  /** What the session starts with: the client secret's part, then the call's own. */
  requests: (SessionRequest | undefined)[];
  request: RequestInfo;
  behaviour: Behaviour;
  callId?: string;
  media?: MediaOutput;
  disconnect(code: number, reason: string): void;
}

/** Throws `HttpError` when there is no such model, no room, or the configuration is wrong. */
export function createSession(app: App, options: NewSession): RealtimeSession {
  if (app.registry.full) throw new HttpError(429, 'Too many sessions are open.');
  const { behaviour, transport, callId } = options;
  const type =
    options.type ?? options.requests.findLast(request => request !== undefined)?.type ?? 'realtime';
  // A transcription's model is part of its configuration.
  const model = type === 'transcription' ? type : requireModel(options);
  const random = app.random.fork(app.random.id('session'));
  const nowMs = app.clock.nowMs();
  const id = random.id('sess');
  const expiresAtS = Math.ceil((nowMs + behaviour.sessionLifetimeMs) / 1000);
  const config = configFor(options, defaultConfig(id, model, expiresAtS, type));
  const recordOptions = { id, transport, model, request: options.request, nowMs };
  const record = new SessionRecord({ ...recordOptions, ...(callId ? { callId } : {}) });
  const { media, disconnect } = options;
  const session = new RealtimeSession({
    clock: app.clock,
    random,
    behaviour,
    record,
    config,
    disconnect,
    ...(media === undefined ? {} : { media }),
  });
  app.registry.add(record);
  return session;
}

export interface NewTranslation {
  model: string | undefined;
  request: TranslationUpdate | undefined;
  info: RequestInfo;
  behaviour: Behaviour;
  disconnect(code: number, reason: string): void;
}

/** Throws `HttpError` when there is no such model or no room. */
export function createTranslation(app: App, options: NewTranslation): TranslationSession {
  if (app.registry.full) throw new HttpError(429, 'Too many sessions are open.');
  const { behaviour, request, info, disconnect } = options;
  const model = requireModel({ model: options.model, requests: [], behaviour });
  const random = app.random.fork(app.random.id('session'));
  const nowMs = app.clock.nowMs();
  const id = random.id('sess');
  const record = new SessionRecord({ id, transport: 'websocket', model, request: info, nowMs });
  const expiresAtS = Math.ceil((nowMs + behaviour.sessionLifetimeMs) / 1000);
  const parts = { id, model, expiresAtS, behaviour, random, record, request, disconnect };
  app.registry.add(record);
  return new TranslationSession(parts);
}

function requireModel(asked: Pick<NewSession, 'model' | 'requests' | 'behaviour'>): string {
  const { model, requests, behaviour } = asked;
  const name = model ?? requests.findLast(request => request?.model !== undefined)?.model;
  if (name === undefined || name === '') {
    throw new HttpError(400, 'You must provide a model parameter.', { code: 'missing_model' });
  }
  if (behaviour.models.length === 0 || behaviour.models.includes(name)) return name;
  throw new HttpError(404, `The model '${name.slice(0, 200)}' does not exist.`, {
    code: 'model_not_found',
  });
}

/** The start configuration with every request on top; the model was chosen already. */
function configFor({ requests }: NewSession, start: SessionConfig): SessionConfig {
  let config = start;
  try {
    for (const request of requests) {
      if (request !== undefined) config = applyRequest(config, { ...request, model: undefined });
    }
  } catch (error) {
    throw toHttpError(error);
  }
  return config;
}

/** A fault in a configuration sent over HTTP is a 400. */
export function toHttpError(error: unknown): unknown {
  if (!(error instanceof ProtocolError)) return error;
  const { code, param } = error;
  return new HttpError(400, error.message, { code, param });
}
