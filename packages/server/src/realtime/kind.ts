import type { Kind } from '../work/index.ts';

/** Voice sessions as a kind of work. Their log takes late facts, such as recordings. */
export const SESSION_KIND: Kind = {
  name: 'session',
  prefix: 'ses',
  scope: 'voice',
  endings: [],
  snapshotUrl: id => `/v1/sessions/${id}`,
  queues: [],
};
