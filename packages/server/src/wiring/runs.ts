/**
 * Builds agent runs on open ports from settings: the API's part in every process that serves it,
 * the worker's where the role is given.
 */
import { join, resolve } from 'node:path';
import type { AgentInfo } from '@holdfast/protocol';
import type { Auth } from '../auth/index.ts';
import type { Platform } from '../compose.ts';
import type { Config } from '../config/index.ts';
import type { Component } from '../kernel/index.ts';
import type { ModelGateway, Models } from '../models/index.ts';
import {
  type Agent,
  createAgents,
  createEgress,
  createRuns,
  createSample,
  createSandbox,
  createWorkspaces,
  defaultWorkerLimits,
  enforceLifecycle,
  loadAgentProfiles,
  pinRemote,
  RUN_KIND,
  type Runs,
  RunWorker,
  type Sandbox,
  type Workspaces,
} from '../runs/index.ts';
import { eachOf, Sweep, type Work } from '../work/index.ts';
import type { Feature } from './feature.ts';

/** What the built-in agent asks for where the catalogue has no model it can talk to. */
const BUILTIN_MODEL = 'gpt-5.1-codex';
const LOCAL_USER = 'local';
const DEFAULT_PROJECT = 'default';
export const UPKEEP_INTERVAL_MS = 10 * 60_000;

interface Others {
  readonly auth: Auth;
  readonly models: Models;
  readonly gateway: ModelGateway;
  readonly work: Work;
}

export async function openRuns(
  config: Config,
  platform: Platform,
  others: Others,
): Promise<Feature> {
  const dir = resolve(config.server.dataDir, 'runs');
  const sandbox = await createSandbox({
    runtime: config.runs.sandboxRuntime,
    dir: join(dir, 'sandbox'),
    fileMaxBytes: config.runs.diskMaxBytes,
    memoryMaxBytes: config.runs.memoryMaxBytes,
    background: true,
  });
  const agents = await openAgents(config, others.models, sandbox);
  const sources = {
    allowedHosts: config.runs.allowedHosts,
    localMode: others.auth.mode === 'local',
  };
  const workspaces = await createWorkspaces({
    dir: join(dir, 'workspaces'),
    blobs: platform.blobs,
    sealer: platform.sealer,
    sandbox,
    limits: { diskMaxBytes: config.runs.workspacesMaxBytes },
    remoteEnv: pinRemote(sources),
  });
  others.work.kinds.add(RUN_KIND);
  const runs = createRuns({
    ...platform,
    audit: others.auth.audit,
    streams: others.work.streams,
    agents: () => describeAgents(agents, sandbox),
    agentNames: agents.map(({ name }) => name),
    checkModel: name => others.models.checkText(name),
    sources,
    retentionDays: config.runs.retentionDays,
    inspect: source => workspaces.inspect(source),
  });
  const parts = { config, platform, others, runs, agents, sandbox, workspaces };
  const { roles } = config.server;
  const components = [runs.erasures];
  if (roles.includes('worker')) components.push(sampleRepository(parts), upkeep(parts));
  if (roles.includes('worker') && mayWork(parts)) components.push(worker(parts));
  return {
    components,
    routes: roles.includes('api') ? [runs.routes] : [],
  };
}

async function openAgents(
  { runs: { agentsFile, agentsDir } }: Config,
  models: Models,
  { isolated }: Sandbox,
): Promise<Agent[]> {
  const model = models.list.find(({ protocols }) => protocols.includes('responses'));
  return createAgents({
    isolated,
    models: { builtin: model?.id ?? BUILTIN_MODEL },
    profiles: agentsFile === null ? [] : await loadAgentProfiles(agentsFile),
    ...(agentsDir !== null && { agentsDir }),
  });
}

async function describeAgents(
  agents: readonly Agent[],
  { isolated, note }: Sandbox,
): Promise<{ data: AgentInfo[]; isolation_note: string | null }> {
  const data = agents.map(async (agent): Promise<AgentInfo> => {
    const { available, version, wantedVersion, install } = await agent.probe();
    const { name, title, steerable, resumable } = agent;
    return {
      name,
      title,
      available,
      version,
      wanted_version: wantedVersion,
      install,
      steerable,
      resumable,
      isolated,
    };
  });
  return { data: await Promise.all(data), isolation_note: note };
}

interface Parts {
  readonly config: Config;
  readonly platform: Platform;
  readonly others: Others;
  readonly runs: Runs;
  readonly agents: readonly Agent[];
  readonly sandbox: Sandbox;
  readonly workspaces: Workspaces;
}

/**
 * Agents without a sandbox read what the server reads: allowed in local mode, where all data is
 * the one user's, or where a setting allows it. Whoever demands gVisor gets nothing less.
 */
export function mayWork({ config, platform, others, sandbox }: Parts): boolean {
  if (sandbox.isolated) return true;
  const { log } = platform.telemetry;
  if (config.runs.sandboxRuntime === 'gvisor') {
    log.error('runs.refused', { note: sandbox.note, setting: 'HOLDFAST_SANDBOX_RUNTIME' });
    return false;
  }
  const allowed = others.auth.mode === 'local' || config.runs.withoutSandbox;
  if (allowed) log.warn('runs.not_isolated', { note: sandbox.note });
  else log.error('runs.refused', { note: sandbox.note, setting: 'HOLDFAST_RUNS_WITHOUT_SANDBOX' });
  return allowed;
}

function worker({ config, platform, others, runs, ...parts }: Parts): RunWorker {
  const { sandboxAllowedHosts: hosts, allowedHosts: privateHosts } = config.runs;
  const { telemetry } = platform;
  return new RunWorker({
    ...platform,
    ...parts,
    driver: runs.driver,
    gateway: others.gateway,
    // The way out of sandboxes, where a setting names hosts.
    egress: hosts.length === 0 ? undefined : createEgress({ telemetry, hosts, privateHosts }),
    limits: { ...defaultWorkerLimits, ...config.runs },
  });
}

/** In local mode a first start has a repository to try an agent on. */
function sampleRepository({ config, platform: { database, telemetry }, others }: Parts): Component {
  return {
    name: 'sample repository',
    async start() {
      if (others.auth.mode !== 'local') return;
      await createSample({
        database,
        dataDir: config.server.dataDir,
        projectId: DEFAULT_PROJECT,
        createdBy: LOCAL_USER,
      }).catch((error: unknown) => telemetry.log.warn('runs.no_sample', { error }));
    },
  };
}

function upkeep({ platform: { blobs, telemetry }, runs, workspaces }: Parts): Component {
  const onFailure = (error: unknown) => telemetry.log.warn('runs.upkeep_failed', { error });
  return new Sweep({
    name: 'runs upkeep',
    intervalMs: UPKEEP_INTERVAL_MS,
    // A worker that was killed left its folders; its successor finds them here.
    atStart: true,
    async run() {
      const steps = [
        () => runs.upkeep(),
        () => workspaces.tidy({ isLive: id => runs.isOpen(id), keptOf: ids => runs.keptOf(ids) }),
        () => (blobs.managesLifecycle ? Promise.resolve() : enforceLifecycle(blobs, Date.now())),
      ];
      await eachOf<() => Promise<unknown>>(
        steps,
        step => step(),
        (_, error) => onFailure(error),
      );
    },
    onFailure,
  });
}
