/** A plain WebSocket client for tests. */
import WebSocket from 'ws';
import { toBytes } from '../audio/pcm.ts';
import type { Simulator } from '../server.ts';
import { EventLog } from './events.ts';

export interface Closed {
  code: number;
  reason: string;
}

export class WebSocketClient {
  readonly events = new EventLog();
  readonly socket: WebSocket;
  readonly closed: Promise<Closed>;
  /** The first error of the socket, if ever. */
  readonly failed: Promise<Error>;

  constructor(url: string, options: WebSocket.ClientOptions, protocols: string[] = []) {
    this.socket = new WebSocket(url, protocols, options);
    this.socket.on('message', data => {
      try {
        this.events.push(JSON.parse(String(data)));
      } catch {
        this.events.push({ type: '(not JSON)', text: String(data) });
      }
    });
    this.failed = new Promise(resolve => this.socket.on('error', resolve));
    this.closed = new Promise(resolve => {
      this.socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
  }

  /** Resolves when open; rejects with what refused it. */
  static async open(simulator: Simulator, path: string, key = 'sk-any'): Promise<WebSocketClient> {
    const url = simulator.url.replace('http', 'ws') + path;
    const client = new WebSocketClient(url, { headers: { authorization: `Bearer ${key}` } });
    await client.opened();
    return client;
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once('open', resolve);
      this.socket.once('error', reject);
    });
  }

  send(event: object): void {
    this.socket.send(JSON.stringify(event));
  }

  /** Sends audio as a client would, in pieces of 100 ms. */
  speak(samples: Int16Array, pieceSamples = 2_400): void {
    for (let at = 0; at < samples.length; at += pieceSamples) {
      const piece = toBytes(samples.subarray(at, at + pieceSamples));
      this.send({ type: 'input_audio_buffer.append', audio: piece.toString('base64') });
    }
  }

  async close(): Promise<Closed> {
    this.socket.close(1000);
    return this.closed;
  }
}
