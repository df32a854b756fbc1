/**
 * For tests: gateway, budgets and provider keys behind a real HTTP server and a real Unix socket,
 * on a real database. The header `x-caller` names the caller, as `role:id:project`; run tokens pass
 * the guard as they do in the server.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Role } from '@holdfast/protocol';
import { sql } from 'kysely';
import { authorize, type Principal, runTokenOf } from '../../auth/index.ts';
import { createHttpServer, type Guard } from '../../http/index.ts';
import { newId, systemClock } from '../../kernel/index.ts';
import type { Database } from '../../platform/database/index.ts';
import {
  type RecordedTelemetry,
  randomMasterKey,
  recordTelemetry,
} from '../../platform/log/testing.ts';
import { createSealer } from '../../platform/secrets/index.ts';
import type { CatalogueInput } from '../catalogue.ts';
import {
  budgetRoutes,
  createBudgets,
  createHostedTools,
  createModelGateway,
  createModels,
  createProviderKeys,
  type GatewayLimits,
  hostedToolsRoutes,
  modelGatewayRoutes,
  parseCatalogue,
  providerKeyRoutes,
  type RoutedModelGateway,
} from '../index.ts';

export const CATALOGUE_KEY = 'catalogue-key-of-the-operator';

export interface GatewayHost {
  readonly url: string;
  readonly gateway: RoutedModelGateway;
  readonly telemetry: RecordedTelemetry;
  readonly audited: Record<string, unknown>[];
  /** A run of `owner` in `project`; answers its id and a token for it. */
  newRun(owner?: string, project?: string): Promise<{ id: string; token: string }>;
  request(path: string, init?: RequestInit & { caller?: string }): Promise<Response>;
  /** Through a run's own socket. */
  overSocket(runId: string, path: string, init: SocketRequest): Promise<SocketAnswer>;
  close(): Promise<void>;
}

interface SocketRequest {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

interface SocketAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

const PRICE = { from: '2025-01-01', input_text: 1, cached_input: 0.1, output_text: 10 };

/** One model for each protocol at `url`, and one (`free`) without a price. */
function testCatalogue(url: string): CatalogueInput {
  const auth = { auth: 'api_key', api_key_secret: 'KEY' } as const;
  const priced = { max_output_tokens: 10_000, prices: [PRICE] };
  return {
    default: 'voice',
    endpoints: {
      openai: { provider: 'compatible', url: `${url}/v1`, ...auth },
      anthropic: { provider: 'anthropic', url, ...auth },
      gemini: { provider: 'gemini', url, ...auth },
    },
    models: [
      { id: 'voice', endpoint: 'openai' },
      {
        id: 'coder',
        aliases: ['gpt-*'],
        endpoint: 'openai',
        deployment: 'deployed-coder',
        protocols: ['responses', 'chat'],
        ...priced,
      },
      { id: 'free', endpoint: 'openai', protocols: ['responses', 'chat'] },
      {
        id: 'claude',
        aliases: ['claude-*'],
        endpoint: 'anthropic',
        protocols: ['messages'],
        ...priced,
      },
      {
        id: 'claude-short',
        endpoint: 'anthropic',
        protocols: ['messages'],
        ...priced,
        context_tokens: 200_000,
      },
      { id: 'gemini', aliases: ['gemini-*'], endpoint: 'gemini', protocols: ['gemini'], ...priced },
    ],
  };
}

export async function openGatewayHost(
  database: Database,
  options: { upstreamUrl: string; limits?: Partial<GatewayLimits> },
): Promise<GatewayHost> {
  const telemetry = await recordTelemetry();
  const audited: Record<string, unknown>[] = [];
  const audit = { record: async (record: object) => void audited.push({ ...record }) };
  const sealer = createSealer({ database, masterKeys: randomMasterKey() });
  const providerKeys = createProviderKeys({ database, sealer, audit });
  const models = createModels({
    catalogue: parseCatalogue(testCatalogue(options.upstreamUrl)),
    credentials: { secret: async () => CATALOGUE_KEY },
  });
  const limits = options.limits ?? {};
  const hostedTools = createHostedTools({ database, audit });
  const parts = { database, telemetry, clock: systemClock, models, providerKeys, hostedTools };
  const gateway = createModelGateway({ ...parts, limits });
  const server = await createHttpServer<Principal>({
    guard: callerGuard,
    telemetry,
    api: { title: 'test', version: '1' },
    corsOrigins: [],
  });
  await server.app.register(modelGatewayRoutes(gateway, { follow: () => () => {} }));
  await server.app.register(budgetRoutes(createBudgets({ database, audit })));
  await server.app.register(hostedToolsRoutes(hostedTools));
  await server.app.register(providerKeyRoutes(providerKeys));
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    gateway,
    telemetry,
    audited,
    newRun: (owner = 'user:ann', project = 'default') =>
      newRun(database, gateway, { owner, project }),
    request: (path, { caller = 'Developer:user:ann', headers, ...init } = {}) =>
      fetch(url + path, {
        ...init,
        headers: { 'x-caller': caller, ...(headers as Record<string, string>) },
      }),
    overSocket: (runId, path, init) => overSocket(gateway, runId, { path, init }),
    async close() {
      await server.close(0);
      await telemetry.close();
    },
  };
}

const callerGuard: Guard<Principal> = {
  checkRoute: () => {},
  refused: () => {},
  authenticate: async request => {
    if (request.policy === 'models.call' && runTokenOf(request.headers, request.query)) {
      return undefined;
    }
    const [role = '', kind = '', id = '', projectId = 'default'] = String(
      request.headers['x-caller'] ?? 'Viewer:user:nobody',
    ).split(':');
    const owner = `${kind}:${id}`;
    const principal: Principal = {
      kind: 'user',
      id: owner,
      name: id,
      projectId,
      role: role as Role,
    };
    if (request.policy !== undefined) authorize(request.policy, principal);
    return principal;
  },
};

async function newRun(
  database: Database,
  gateway: RoutedModelGateway,
  { owner, project }: { owner: string; project: string },
) {
  const id = newId('run');
  const [repo, task, message] = [newId('rpo'), newId('tsk'), newId('msg')];
  const token = await database.transaction(async trx => {
    await sql`insert into repositories (id, project_id, created_by, name, path)
      values (${repo}, ${project}, ${owner}, 'r', '/r')`.execute(trx);
    await sql`insert into tasks (id, project_id, repository_id, created_by, title)
      values (${task}, ${project}, ${repo}, ${owner}, 't')`.execute(trx);
    await sql`insert into messages (id, task_id, project_id, created_by, number,
      instruction_key_id, instruction_data)
      values (${message}, ${task}, ${project}, ${owner}, 1, 'k', '')`.execute(trx);
    await sql`insert into subjects (id, kind, project_id, created_by)
      values (${id}, 'run', ${project}, ${owner})`.execute(trx);
    await sql`insert into runs (id, project_id, task_id, message_id, repository_id, created_by,
      agent, status)
      values (${id}, ${project}, ${task}, ${message}, ${repo}, ${owner}, 'builtin',
        'running')`.execute(trx);
    return gateway.issueRunToken(trx, { id, projectId: project, owner }, 60_000);
  });
  return { id, token };
}

async function overSocket(
  gateway: RoutedModelGateway,
  runId: string,
  { path, init }: { path: string; init: SocketRequest },
): Promise<SocketAnswer> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-gateway-'));
  const socketPath = join(dir, 'model.sock');
  const server = createServer((request, response) => gateway.handle(request, response, { runId }));
  server.listen(socketPath);
  await once(server, 'listening');
  try {
    const { method = 'POST', headers = {}, body } = init;
    const request = httpRequest({ socketPath, path, method, headers, agent: false });
    request.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    return { status: response.statusCode ?? 0, headers: response.headers, text };
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(dir, { recursive: true });
  }
}
