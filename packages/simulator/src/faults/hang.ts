import type { Socket } from 'node:net';
import { z } from 'zod';
import { MAX_HUNG_REQUESTS } from '../limits.ts';
import { defineFault, ruleFields } from './fault.ts';

/** Oldest first. No timeout ends these connections, only the bound does. */
const hanging = new Set<Socket>();

export const hang = defineFault({
  description: 'Never answers the request; the connection stays open.',
  schema: z.strictObject({ fault: z.literal('hang'), ...ruleFields }),
  onRequest(_params, { socket }) {
    hangUntilClosed(socket);
    return true;
  },
});

/** Leaves a request unanswered; beyond the bound the oldest such connection is cut off. */
export function hangUntilClosed(socket: Socket): void {
  hanging.add(socket);
  socket.once('close', () => hanging.delete(socket));
  for (const oldest of hanging) {
    if (hanging.size <= MAX_HUNG_REQUESTS) break;
    hanging.delete(oldest);
    oldest.destroy();
  }
}
