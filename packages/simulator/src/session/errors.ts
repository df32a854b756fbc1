/**
 * Faults of a client event, answered with an `error` event; the session stays open.
 * Codes and wording follow what the API answers, as far as it is documented.
 */
export class ProtocolError extends Error {
  override name = 'ProtocolError';
  readonly code: string;
  readonly param: string | null;
  readonly type: string;

  constructor(code: string, message: string, param: string | null = null) {
    super(message);
    this.code = code;
    this.param = param;
    this.type = 'invalid_request_error';
  }
}
