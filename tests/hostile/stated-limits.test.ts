/** The numbers that SECURITY.md and the guide to the sandbox state hold where nothing is set. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadConfig } from '../../packages/server/src/config/index.ts';
import { JSON_LIMITS } from '../../packages/server/src/kernel/index.ts';
import { GATEWAY_LIMITS } from '../../packages/server/src/models/gateway/limits.ts';
import { PARSER_CPU_MAX_S } from '../../packages/server/src/recordings/measure.ts';
import { DEFAULT_LIMITS } from '../../packages/server/src/runs/egress/proxy.ts';
import { SANDBOX_DEFAULTS } from '../../packages/server/src/runs/sandbox/create.ts';
import { defaultWorkerLimits } from '../../packages/server/src/runs/worker/deps.ts';
import {
  GIT_MEMORY_MAX_BYTES,
  LARGE_FILE_BYTES,
} from '../../packages/server/src/runs/workspace/git.ts';
import { UPKEEP_INTERVAL_MS } from '../../packages/server/src/wiring/runs.ts';
import { PROBES } from './probes.ts';

const { recordings, runs } = loadConfig({}, {});
const page = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
const mib = (bytes: number) => `${bytes / 1024 ** 2} MiB`;
const gib = (bytes: number) => `${bytes / 1024 ** 3} GiB`;
const count = (value: number) => value.toLocaleString('en');
const seconds = (ms: number) => `${ms / 1_000} seconds`;
const minutes = (ms: number) => `${ms / 60_000} minutes`;
const word = (value: number) => ['one', 'two', 'three', 'four'][value - 1];

it.each([
  `${mib(recordings.parserMemoryBytes)} for objects (\`HOLDFAST_PARSER_MEMORY_MAX_BYTES\`)`,
  `${PARSER_CPU_MAX_S} s of processor time`,
  `at most ${word(recordings.parsersMax)} at once (\`HOLDFAST_PARSERS_MAX\`)`,
  `beyond ${count(JSON_LIMITS.maxContainers)} objects and arrays, ` +
    `${count(JSON_LIMITS.maxCommas)} members and elements, or ${JSON_LIMITS.maxDepth} levels`,
  `may have ${mib(GATEWAY_LIMITS.maxBodyBytes)} each, those of one run or caller at once ` +
    `${mib(GATEWAY_LIMITS.maxHeldBytesPerCaller)}, and all of a process ` +
    mib(GATEWAY_LIMITS.maxHeldBytes),
  `the ${PROBES.size} probes`,
  `every ${minutes(UPKEEP_INTERVAL_MS).replace('10', 'ten')}`,
])('SECURITY.md states %s', stated => {
  expect(page('SECURITY.md')).toContain(stated);
});

it.each([
  `| ${count(SANDBOX_DEFAULTS.processesMax)} for each command`,
  `| ${count(SANDBOX_DEFAULTS.openFilesMax)}, or the worker's own limit |`,
  `| \`/tmp\` and \`/dev/shm\` | ${gib(SANDBOX_DEFAULTS.tmpMaxBytes)} each |`,
  `| one file | \`HOLDFAST_RUNS_DISK_MAX_BYTES\` (${gib(runs.diskMaxBytes)}) |`,
  `\`HOLDFAST_RUNS_FILES_MAX\` (${count(runs.filesMax)})`,
  `\`HOLDFAST_RUNS_MEMORY_MAX_BYTES\` (${gib(runs.memoryMaxBytes)}), measured every second`,
  `\`HOLDFAST_RUNS_LOG_MAX_EVENTS\` (${count(runs.logMaxEvents)})`,
  `\`HOLDFAST_RUNS_LOG_MAX_BYTES\` (${mib(runs.logMaxBytes)})`,
  `has ${gib(GIT_MEMORY_MAX_BYTES)} of memory for each process`,
  `never compares files over ${mib(LARGE_FILE_BYTES)}`,
  `the first ${DEFAULT_LIMITS.denialsLoggedMax} of a run one by one`,
  `have ${DEFAULT_LIMITS.connectionsMax} connections at once (503), ` +
    `headers of ${DEFAULT_LIMITS.headerMaxBytes / 1024} KiB (431), ` +
    `${seconds(DEFAULT_LIMITS.connectTimeoutMs)} to connect and ` +
    `${minutes(DEFAULT_LIMITS.idleTimeoutMs)} without a byte (504)`,
])('the guide to the sandbox states %s', stated => {
  expect(page('docs/guide/sandbox.md')).toContain(stated);
  expect(defaultWorkerLimits.memoryIntervalMs).toBe(1_000);
  expect(defaultWorkerLimits.diskIntervalMs).toBeLessThanOrEqual(5_000);
});
