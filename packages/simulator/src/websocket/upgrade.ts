/**
 * Upgrades to WebSocket: `…/realtime?model=` opens a session, `…/realtime?call_id=` joins a call as
 * its sideband. Everything that can be wrong is answered over HTTP before the upgrade.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { type App, authorize, createSession, createTranslation } from '../app.ts';
import type { ClientSecret } from '../client-secrets.ts';
import { befallRequest, befallSession, type FaultRule, shapeBehaviour } from '../faults/rules.ts';
import { credentialOf, requestInfo } from '../http/auth.ts';
import { HttpError, refuseUpgrade } from '../http/respond.ts';
import type { CloseInfo } from '../inspect/record.ts';
import { MAX_MESSAGE_BYTES, MAX_SIDEBANDS } from '../limits.ts';
import type { LiveCall } from '../webrtc/calls.ts';
import { type CarriedSession, WebSocketConnection } from './connection.ts';

const REALTIME_PATH = /^\/(?:openai\/)?v1\/realtime(\/translations)?$/;
const SUBPROTOCOL = 'realtime';

type Disconnect = (code: number, reason: string) => void;
type OpenableSession = CarriedSession & { open(): void; close(): void };

interface Upgrade {
  request: IncomingMessage;
  socket: Socket;
  head: Buffer;
  url: URL;
  requestId: string;
  rules: FaultRule[];
}

export class Upgrades {
  readonly #app: App;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    autoPong: false,
    // The key travels in a subprotocol of its own and must not be echoed.
    handleProtocols: offered => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });

  constructor(app: App) {
    this.#app = app;
  }

  async handle(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const requestId = this.#app.random.id('req');
    socket.on('error', () => socket.destroy());
    try {
      const url = new URL(request.url ?? '/', 'http://simulator');
      if (!REALTIME_PATH.test(url.pathname)) throw new HttpError(404, 'Not found.');
      await this.#admit({ request, socket, head, url, requestId, rules: [] });
    } catch (error) {
      const refusal =
        error instanceof HttpError
          ? error.refusal
          : { status: 500, type: 'server_error', code: null, message: 'Internal error.' };
      refuseUpgrade(socket, refusal, requestId);
    }
  }

  async #admit(upgrade: Upgrade): Promise<void> {
    const { url, request, socket, requestId } = upgrade;
    const model = url.searchParams.get('model') ?? undefined;
    const callId = url.searchParams.get('call_id');
    const route = callId === null ? 'websocket' : 'sideband';
    upgrade.rules = this.#app.faults.take(route, model);
    const refuse = (refusal: HttpError['refusal']) => refuseUpgrade(socket, refusal, requestId);
    if (await befallRequest(upgrade.rules, { socket, refuse })) return;
    const secret = authorize(this.#app, credentialOf(request, url));
    checkQuery(url);
    if (url.pathname.endsWith('/translations')) this.#openTranslation(upgrade, secret);
    else if (callId === null) this.#openSession(upgrade, model, secret);
    else this.#openSideband(upgrade, this.#findCall(callId));
  }

  #findCall(callId: string): LiveCall {
    const call = this.#app.calls.find(callId);
    if (call === undefined) {
      throw new HttpError(404, 'No session found for this call.', { code: 'call_id_not_found' });
    }
    if (call.session.record.sidebands < MAX_SIDEBANDS) return call;
    throw new HttpError(429, 'Too many connections to this call.');
  }

  #openSession(upgrade: Upgrade, model: string | undefined, secret: ClientSecret | undefined) {
    const app = this.#app;
    const { request, url, rules } = upgrade;
    this.#carry(upgrade, disconnect =>
      createSession(app, {
        transport: 'websocket',
        ...(url.searchParams.has('intent') && { type: 'transcription' as const }),
        model,
        requests: [secret?.session],
        request: requestInfo(request, url, credentialOf(request, url)),
        behaviour: shapeBehaviour(rules, app.behaviour),
        disconnect,
      }),
    );
  }

  #openTranslation(upgrade: Upgrade, secret: ClientSecret | undefined) {
    const app = this.#app;
    const { request, url, rules } = upgrade;
    this.#carry(upgrade, disconnect =>
      createTranslation(app, {
        model: url.searchParams.get('model') ?? secret?.translation?.model,
        request: secret?.translation,
        info: requestInfo(request, url, credentialOf(request, url)),
        behaviour: shapeBehaviour(rules, app.behaviour),
        disconnect,
      }),
    );
  }

  /** Makes a session, and a connection that owns it. */
  #carry(upgrade: Upgrade, make: (disconnect: Disconnect) => OpenableSession): void {
    const app = this.#app;
    const { rules } = upgrade;
    let connection: WebSocketConnection | undefined;
    const session = make((code, reason) => connection?.close(code, reason));
    const { record } = session;
    const end = (close: CloseInfo) => {
      session.close();
      record.end(close, app.clock.nowMs());
      app.registry.ended(record);
    };
    // A peer that vanishes during the handshake never becomes a connection that could end.
    upgrade.socket.once('close', () => {
      if (connection === undefined) end({ by: 'client', code: null, reason: 'lost in handshake' });
    });
    this.#accept(upgrade, ws => {
      connection = new WebSocketConnection({
        ws,
        socket: upgrade.socket,
        clock: app.clock,
        session,
        takesAudio: true,
        onClose: end,
      });
      app.registry.connect(record, connection);
      session.open();
      befallSession(rules, connection);
    });
  }

  #openSideband(upgrade: Upgrade, call: LiveCall): void {
    const { session } = call;
    this.#accept(upgrade, ws => {
      session.record.sidebands += 1;
      const connection = new WebSocketConnection({
        ws,
        socket: upgrade.socket,
        clock: this.#app.clock,
        session,
        takesAudio: session.behaviour.sidebandAudio,
        onClose: () => {
          session.record.sidebands -= 1;
          call.sidebands.delete(connection);
        },
      });
      call.sidebands.add(connection);
      if (session.behaviour.sidebandGreeting) session.greet(connection);
      befallSession(upgrade.rules, connection);
    });
  }

  #accept({ request, socket, head, requestId }: Upgrade, onOpen: (ws: WebSocket) => void): void {
    const addHeaders = (headers: string[]) => headers.push(`x-request-id: ${requestId}`);
    this.#server.once('headers', addHeaders);
    this.#server.handleUpgrade(request, socket, head, onOpen);
    this.#server.off('headers', addHeaders);
  }
}

function checkQuery(url: URL): void {
  const { searchParams } = url;
  if (searchParams.has('api-version')) {
    throw new HttpError(401, 'This endpoint takes no api-version.', { code: 'unauthorized' });
  }
  const targets = ['model', 'call_id', 'intent'].filter(name => searchParams.has(name));
  if (targets.length > 1) {
    throw new HttpError(400, "Pass exactly one of 'model', 'call_id' and 'intent'.");
  }
  if (targets[0] === 'intent' && searchParams.get('intent') !== 'transcription') {
    throw new HttpError(400, "Invalid value for 'intent'.", { code: 'invalid_intent' });
  }
}
