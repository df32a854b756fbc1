/** A session without a transport, on a manual clock, for tests of the state machine. */
import { toBytes } from '../audio/pcm.ts';
import { behaviourSchema } from '../behaviour.ts';
import { SessionRecord } from '../inspect/record.ts';
import { Random } from '../random.ts';
import { applyRequest, defaultConfig, parseSessionRequest } from '../session/config.ts';
import { RealtimeSession } from '../session/session.ts';
import type { EventSink } from '../session/sinks.ts';
import { EventLog } from './events.ts';
import { ManualClock } from './manual-clock.ts';

class LogSink implements EventSink {
  readonly takesAudio = true;
  readonly log = new EventLog();
  backlogBytes = 0;
  dropped = false;

  send(json: string): void {
    this.log.push(JSON.parse(json));
  }

  drop(): void {
    this.dropped = true;
  }
}

export class TestSession {
  readonly clock = new ManualClock();
  readonly sink = new LogSink();
  readonly session: RealtimeSession;
  disconnected: { code: number; reason: string } | undefined;

  constructor(config: object = {}, behaviour: object = {}) {
    const request = parseSessionRequest({ type: 'realtime', ...config });
    const start = defaultConfig('sess_test', 'gpt-realtime', 0);
    this.session = new RealtimeSession({
      clock: this.clock,
      random: new Random('test'),
      behaviour: behaviourSchema.parse(behaviour),
      record: new SessionRecord({
        id: 'sess_test',
        transport: 'websocket',
        model: 'gpt-realtime',
        request: { path: '/v1/realtime', query: {}, headers: {}, auth: null },
        nowMs: this.clock.nowMs(),
      }),
      config: applyRequest(start, request),
      disconnect: (code, reason) => {
        this.disconnected = { code, reason };
      },
    });
    this.session.attach(this.sink);
    this.session.open();
    this.clock.advance(0);
  }

  get log(): EventLog {
    return this.sink.log;
  }

  /** Sends one client event, or any other text. */
  send(event: object | string): void {
    const text = typeof event === 'string' ? event : JSON.stringify(event);
    this.session.receive(Buffer.from(text));
  }

  speak(samples: Int16Array): void {
    const audio = toBytes(samples).toString('base64');
    this.send({ type: 'input_audio_buffer.append', audio });
  }

  write(text: string): void {
    const content = [{ type: 'input_text', text }];
    this.send({
      type: 'conversation.item.create',
      item: { type: 'message', role: 'user', content },
    });
    this.send({ type: 'response.create' });
  }

  /** The events since the last call. */
  #seen = 0;
  fresh(): string[] {
    const types = this.log.types.slice(this.#seen);
    this.#seen = this.log.all.length;
    return types;
  }

  // biome-ignore lint/suspicious/noExplicitAny: an event of any shape
  last(type: string): any {
    return this.log.of(type).at(-1);
  }

  /** All audio of the model's deltas. */
  spoken(): Buffer {
    const deltas = this.log.of('response.output_audio.delta');
    return Buffer.concat(deltas.map(event => Buffer.from(event.delta as string, 'base64')));
  }
}
