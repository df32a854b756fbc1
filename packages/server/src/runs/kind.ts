import { RUN_ENDINGS } from '@holdfast/protocol';
import type { Kind } from '../work/index.ts';

/** Agent runs as a kind of work. */
export const RUN_KIND: Kind = {
  name: 'run',
  prefix: 'run',
  endings: RUN_ENDINGS,
  snapshotUrl: id => `/v1/runs/${id}`,
  queues: [
    { name: 'agent', subjectKey: 'run_id' },
    { name: 'push', subjectKey: 'push_run_id', formerName: 'polling' },
  ],
};
