import type { IncomingMessage } from 'node:http';
import { HoldfastError } from '../kernel/index.ts';

/** Of two `Host` headers a proxy may judge one and the server the other: both are refused. */
export function checkOneHost({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): void {
  const names = rawHeaders.filter((_text, index) => index % 2 === 0);
  if (names.filter(name => name.toLowerCase() === 'host').length > 1) {
    throw new HoldfastError('invalid_request', 'There is more than one Host header.', {
      field: 'host',
    });
  }
}
