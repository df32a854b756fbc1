/** What all kinds of work share, on open ports. */
import type { Auth } from '../auth/index.ts';
import type { Platform } from '../compose.ts';
import { createWork, type Work } from '../work/index.ts';

export function openWork(platform: Platform, { audit, streamTickets }: Auth): Work {
  return createWork({ ...platform, audit, tickets: streamTickets });
}
