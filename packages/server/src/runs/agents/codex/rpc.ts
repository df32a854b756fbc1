import { boundedText } from '../../../work/index.ts';
import { isObject, type Json } from '../text.ts';

/** The error code of an unknown method (JSON-RPC 2.0, section 5.1). */
const METHOD_NOT_FOUND = -32601;

interface Pending {
  resolve(result: Json): void;
  reject(error: Error): void;
}

/** An error that the other side returned. */
export class RpcError extends Error {}

/** JSON-RPC 2.0 over lines as Codex speaks it: without the member `jsonrpc`. */
export class Rpc {
  readonly #send: (message: object) => boolean;
  readonly #pending = new Map<unknown, Pending>();
  #lastId = 0;
  #closed: Error | undefined;

  /** `send` returns false when nothing can be sent any more. */
  constructor(send: (message: object) => boolean) {
    this.#send = send;
  }

  /**
   * Calls `onResult` before the next line is read. Rejects with `RpcError`, or with another error
   * when no answer can come.
   */
  request(method: string, params: object, onResult?: (result: Json) => void): Promise<Json> {
    return new Promise((resolve, reject) => {
      this.#lastId += 1;
      const id = this.#lastId;
      const sent = this.#closed === undefined && this.#send({ id, method, params });
      if (!sent) return reject(this.#closed ?? new Error('Codex takes no more messages.'));
      this.#pending.set(id, {
        resolve: result => {
          onResult?.(result);
          resolve(result);
        },
        reject,
      });
    });
  }

  notify(method: string): void {
    this.#send({ method });
  }

  /** Takes an answer, or refuses a request; false for everything else. */
  take(message: Json): boolean {
    const { id, method, result, error } = message;
    if (id === undefined) return false;
    if (method !== undefined) {
      this.#send({ id, error: { code: METHOD_NOT_FOUND, message: 'Not offered here.' } });
      return true;
    }
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (isObject(error)) pending?.reject(new RpcError(boundedText(error.message)));
    else pending?.resolve(isObject(result) ? result : {});
    return true;
  }

  /** Rejects every open request, and all later ones. */
  close(reason: Error): void {
    this.#closed = reason;
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
  }
}
