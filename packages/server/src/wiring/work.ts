/** What all kinds of work share: streams, the queue and its administration. */
import type { Auth } from '../auth/index.ts';
import type { Platform } from '../compose.ts';
import type { Config } from '../config/index.ts';
import { createWork, type Work } from '../work/index.ts';
import type { Feature } from './feature.ts';

export function openWork(
  config: Config,
  platform: Platform,
  { audit, streamTickets, watch }: Auth,
): Feature & { readonly work: Work } {
  const { roles } = config.server;
  const work = createWork({ ...platform, audit, tickets: streamTickets, watch });
  return {
    work,
    components: roles.includes('api') || roles.includes('worker') ? work.components : [],
    routes: roles.includes('api') ? [work.routes] : [],
  };
}
