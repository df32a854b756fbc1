import { choice, flag, hostPatterns, integer, list, text } from '../kinds.ts';
import { optional, setting } from '../setting.ts';

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;

/** Agent runs: repositories, workers, agents. */
export const runSettings = {
  HOLDFAST_ALLOWED_HOSTS: setting(list, '', {
    description:
      'Hosts (`name` or `name:port`, separated by commas) that repositories may be fetched from, ' +
      'and that agents may be allowed to reach, although they have a private address.',
    example: 'git.internal.example',
  }),
  HOLDFAST_SANDBOX_ALLOWED_HOSTS: setting(hostPatterns, '', {
    description:
      'Hosts that agents may connect to from their sandbox, through its proxy: `host`, or ' +
      '`*.suffix` for all below it; without a port 80 and 443. Empty: no network but the models. ' +
      'Private addresses need HOLDFAST_ALLOWED_HOSTS as well.',
    example: 'registry.npmjs.org,*.pythonhosted.org',
  }),
  HOLDFAST_RUNS_CONCURRENCY: setting(integer(1, 64), '2', {
    description: 'Agent runs at once in one process with the role `worker`.',
  }),
  HOLDFAST_RUNS_PER_OWNER: setting(integer(1, 1_000), '8', {
    description: 'Runs of one owner at once, over all workers. More wait.',
  }),
  HOLDFAST_RUNS_PER_REPOSITORY: setting(integer(1, 1_000), '8', {
    description: 'Runs on one repository at once, over all workers. More wait.',
  }),
  HOLDFAST_RUNS_SOFT_LIMIT: setting(integer(10, 86_400), '3000', {
    description: 'Seconds after which an agent is asked to stop. Its work is kept.',
  }),
  HOLDFAST_RUNS_HARD_LIMIT: setting(integer(10, 90_000), '3600', {
    description: 'Seconds after which an agent is killed. Its work is kept.',
  }),
  HOLDFAST_RUNS_SILENCE_LIMIT: setting(integer(5, 86_400), '600', {
    description: 'Seconds without any output after which an agent is stopped as hanging.',
  }),
  HOLDFAST_RUNS_DISK_MAX_BYTES: setting(integer(64 * MIB, 1024 * GIB), String(10 * GIB), {
    description:
      'Disk for clone and home of one run. A run that uses more is ended and its work is kept ' +
      'if possible; no single file may be larger.',
  }),
  HOLDFAST_RUNS_FILES_MAX: setting(integer(10_000, 10_000_000), '300000', {
    description:
      'Files, folders and links in clone and homes of one run. A run that has more is ended and ' +
      'its work is kept if possible.',
  }),
  HOLDFAST_RUNS_MEMORY_MAX_BYTES: setting(integer(256 * MIB, 1024 * GIB), String(4 * GIB), {
    description:
      'Memory of all processes of one run. A run that takes more is ended and its work is kept. ' +
      'Where the machine lets the worker make control groups, the kernel holds this bound too.',
  }),
  HOLDFAST_RUNS_LOG_MAX_EVENTS: setting(integer(1_000, 10_000_000), '200000', {
    description: 'Events of agents in the log of one run. A run that has more is ended.',
  }),
  HOLDFAST_RUNS_LOG_MAX_BYTES: setting(integer(MIB, 16 * GIB), String(256 * MIB), {
    description: 'Bytes of these events. A run that has more is ended and its work is kept.',
  }),
  HOLDFAST_SANDBOX_RUNTIME: setting(
    choice(['bubblewrap', 'gvisor'], { runsc: 'gvisor' }),
    'bubblewrap',
    {
      description:
        'What isolates agents: bubblewrap, or gVisor (`runsc` on the PATH), slower, with a ' +
        'kernel of its own for each command. With `gvisor` a worker takes no runs where that ' +
        'does not work, in local mode too.',
    },
  ),
  HOLDFAST_RUNS_WITHOUT_SANDBOX: setting(flag, 'false', {
    description:
      'Run agents although this machine cannot isolate them (bubblewrap is missing or ' +
      'forbidden): they can then read what this server can. Local mode does this without the ' +
      'setting, with a warning.',
  }),
  HOLDFAST_WORKSPACES_MAX_BYTES: setting(integer(GIB, 1024 * GIB), String(20 * GIB), {
    description: 'Disk of a worker for mirrors and work of runs; the least recently used go first.',
  }),
  HOLDFAST_RETENTION_RUNS_DAYS: optional(integer(1, 36_500), {
    description: 'Days after which an ended run, its log and its files are erased. Unset: kept.',
    example: '90',
  }),
  HOLDFAST_AGENTS_DIR: optional(text, {
    description: 'Folder whose `node_modules/.bin` has the agents’ programs. Default: the PATH.',
    example: '/opt/agents',
  }),
  HOLDFAST_AGENTS_FILE: optional(text, {
    description: 'Operator file (JSON): further agents that speak the Agent Client Protocol.',
    example: './agents.json',
  }),
};
