/** The reasons for refusing a connection, by the names of RFC 9209, and their status codes. */
const STATUS = {
  http_request_error: 400,
  http_request_denied: 403,
  destination_ip_prohibited: 403,
  http_request_timeout: 408,
  http_request_too_large: 431,
  dns_error: 502,
  connection_refused: 502,
  destination_unavailable: 502,
  http_protocol_error: 502,
  connection_limit_reached: 503,
  connection_timeout: 504,
} as const;

export type ProxyError = keyof typeof STATUS;

/** `detail` is for the client: the target, and the remedy. */
export class EgressError extends Error {
  readonly error: ProxyError;
  readonly detail: string;

  constructor(error: ProxyError, detail: string) {
    super(error);
    this.error = error;
    this.detail = detail;
  }

  get status(): number {
    return STATUS[this.error];
  }

  /** True where a rule or a bound refused the connection; false where it failed on the way. */
  get isDenial(): boolean {
    return DENIALS.has(this.error);
  }
}

const DENIALS: ReadonlySet<ProxyError> = new Set([
  'http_request_error',
  'http_request_denied',
  'http_request_timeout',
  'http_request_too_large',
  'destination_ip_prohibited',
  'connection_limit_reached',
]);

export function toEgressError(thrown: unknown): EgressError {
  if (thrown instanceof EgressError) return thrown;
  const { code } = thrown as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') {
    return new EgressError('connection_refused', 'The host refused the connection.');
  }
  if (code?.startsWith('HPE_')) {
    return new EgressError('http_protocol_error', 'The answer of the host is not valid HTTP.');
  }
  return new EgressError('destination_unavailable', 'The host cannot be reached.');
}
