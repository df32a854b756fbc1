import type { Socket } from 'node:net';
import { HoldfastError, newId } from '../kernel/index.ts';
import { errorAnswer } from './error-body.ts';
import { endWith, httpText } from './upgrade/answer.ts';

const STATUS: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
};

/**
 * Answers a request that the HTTP parser refused: the status names the fault, the body's code is
 * always `invalid_request`. Returns the status, or undefined when the peer has gone.
 */
export function answerParserError(
  error: Error & { code?: string },
  socket: Socket,
  lingerMs: number,
): number | undefined {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.destroyed) {
    socket.destroy();
    return undefined;
  }
  const [status, text] = STATUS[error.code ?? ''] ?? [400, 'The request is not valid HTTP.'];
  const requestId = newId('req');
  const answer = errorAnswer(new HoldfastError('invalid_request', text), 'problem', requestId);
  const body = JSON.stringify({ ...JSON.parse(answer.body), status });
  const headers = {
    ...answer.headers,
    'x-request-id': requestId,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  endWith(socket, httpText(status, headers, body), lingerMs);
  return status;
}
