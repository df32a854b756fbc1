import { ERROR_CODES, type ErrorCode } from '@holdfast/protocol';

export interface ErrorOptions {
  /** The request field, header or setting at fault. */
  field?: string;
  /** What would have been accepted; shown to the caller. */
  allowed?: readonly string[];
  /** Seconds after which a retry may succeed; sent as `Retry-After`. */
  retryAfterS?: number;
  /** A model provider's own code for what it refused; shown to the caller. */
  upstreamCode?: string | undefined;
  /** The underlying failure. Logged, never shown. */
  cause?: unknown;
}

/**
 * The one error that crosses module boundaries. `detail` is written for the caller and must not
 * contain internals or secrets; `cause` carries what only operators may see.
 */
export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  readonly code: ErrorCode;
  readonly detail: string;
  readonly field: string | undefined;
  readonly allowed: readonly string[] | undefined;
  readonly retryAfterS: number | undefined;
  readonly upstreamCode: string | undefined;

  constructor(code: ErrorCode, detail: string, options: ErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = detail;
    this.field = options.field;
    this.allowed = options.allowed;
    this.retryAfterS = options.retryAfterS;
    this.upstreamCode = options.upstreamCode;
  }

  /** The HTTP status of this error's code. */
  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

/** Wraps anything thrown; an unknown failure becomes `internal`, without details. */
export function toHoldfastError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  return new HoldfastError('internal', 'Internal error.', { cause: error });
}
