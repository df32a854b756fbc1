import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApplication } from '../../packages/server/src/application.ts';
import { POLICIES, type Policy } from '../../packages/server/src/auth/index.ts';
import type { Platform } from '../../packages/server/src/compose.ts';
import { loadConfig } from '../../packages/server/src/config/index.ts';
import type { RouteInfo } from '../../packages/server/src/http/index.ts';
import { openFilesystemBlobs } from '../../packages/server/src/platform/blobs/index.ts';
import { createTelemetry } from '../../packages/server/src/platform/telemetry/index.ts';
import type { JsonSchema } from './schema-text.ts';

export interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly {
    readonly in: string;
    readonly name: string;
    readonly required?: boolean;
    readonly description?: string;
    readonly schema: JsonSchema;
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses?: Readonly<Record<string, { readonly content?: Content }>>;
}

/** By media type. */
export type Content = Readonly<Record<string, { readonly schema?: JsonSchema }>>;

export interface ApiRoute {
  readonly method: string;
  readonly path: string;
  readonly policy: Policy;
  readonly errors: RouteInfo['errors'];
  /** Absent for WebSockets and for routes that the OpenAPI document leaves out. */
  readonly operation: Operation | undefined;
}

/** The routes of the composed server, with their policies and their OpenAPI description. */
export async function describeApi(): Promise<ApiRoute[]> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-docs-'));
  const config = loadConfig({ HOLDFAST_DATA_DIR: dir, OPENAI_API_KEY: 'unused' }, {});
  const platform = await inertPlatform(dir);
  try {
    const { http } = await createApplication(config, platform);
    await http.app.ready();
    const answer = await http.app.inject({ url: '/openapi.json', headers: { host: 'localhost' } });
    const { paths } = answer.json() as { paths: Record<string, Record<string, Operation>> };
    const routes = http.routes().filter(({ method }) => !['HEAD', 'OPTIONS'].includes(method));
    await http.close(0);
    return routes.map(({ method, url, policy, errors }) => ({
      method,
      path: url,
      errors,
      policy: POLICIES[policy as keyof typeof POLICIES],
      operation: paths[url.replace(/:(\w+)/g, '{$1}').replace('*', '{*}')]?.[method.toLowerCase()],
    }));
  } finally {
    await platform.telemetry.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Ports that are not used while routes register, so no database has to be started. */
async function inertPlatform(dir: string): Promise<Platform> {
  const telemetry = await createTelemetry({
    level: 'fatal',
    format: 'json',
    serviceName: 'docs',
    revision: 'docs',
    replica: 'rep_docs',
    sampleRatio: 0,
  });
  const baseUrl = () => 'http://localhost:8080';
  const blobs = await openFilesystemBlobs({ dir, baseUrl, signingKey: randomBytes(32) });
  return {
    telemetry,
    blobs,
    secrets: unusable(),
    database: unusable(),
    redis: undefined,
    doorbell: unusable(),
    limiter: unusable(),
    sealer: unusable(),
    log: unusable(),
    leases: unusable(),
    queue: unusable(),
    address: { baseUrl: baseUrl() },
    close: async () => {},
  };
}

/** An object with every property, each a function that answers such an object. */
function unusable<T>(): T {
  const self: unknown = new Proxy(() => {}, {
    get: (_, name) => {
      if (name === Symbol.toPrimitive) return () => 'unused';
      return name === 'then' ? undefined : self;
    },
    apply: () => self,
  });
  return self as T;
}
