import { flag, secret, text } from '../kinds.ts';
import { optional, setting } from '../setting.ts';

/**
 * What `npm start` hands to the server processes that it starts. People set none of these, so they
 * stand neither in the reference page nor in the sample file.
 */
export const launcherSettings = {
  HOLDFAST_LAUNCHER_DATABASE_URL: optional(secret(), {
    description: 'The embedded database, which the launcher has started and stops last.',
  }),
  HOLDFAST_LAUNCHER_WORKER_SOCKET: optional(text, {
    description:
      'Unix socket of health and metrics: the worker serves them there, the server asks there.',
  }),
  HOLDFAST_LAUNCHER_STDIN: setting(flag, 'false', {
    description: 'Drain when standard input ends, which it does when the launcher is gone.',
  }),
};
