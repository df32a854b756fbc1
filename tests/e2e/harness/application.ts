import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Application, createApplication } from '../../../packages/server/src/application.ts';
import { openPlatform, type Platform } from '../../../packages/server/src/compose.ts';
import { loadConfig } from '../../../packages/server/src/config/index.ts';
import type { RouteInfo } from '../../../packages/server/src/http/index.ts';

/** The composed application in the test's own process, where its parts can be asked. */
export interface LocalApplication {
  readonly application: Application;
  readonly platform: Platform;
  /** Where it listens on 127.0.0.1. */
  readonly port: number;
  stop(): Promise<void>;
}

/** All that `main.ts` does with settings, except the process around it. The caller stops it. */
export async function startApplication(env: Record<string, string>): Promise<LocalApplication> {
  const composed = await compose(env);
  const { application, platform } = composed;
  try {
    await application.start();
  } catch (error) {
    await composed.close();
    throw error;
  }
  return {
    application,
    platform,
    port: Number(new URL(platform.address.baseUrl).port),
    async stop() {
      application.stop({ hurry: true });
      await application.stopped;
      await composed.close();
    },
  };
}

/** Every route and upgrade of the composed application, which is not started for it. */
export async function listRoutes(env: Record<string, string>): Promise<RouteInfo[]> {
  const { application, close } = await compose(env);
  try {
    return application.http.routes();
  } finally {
    await application.http.close(0);
    await close();
  }
}

async function compose(env: Record<string, string>) {
  const dataDir = await mkdtemp(join(tmpdir(), 'holdfast-e2e-'));
  const variables = {
    PORT: '0',
    LOG_LEVEL: 'fatal',
    HOLDFAST_DATA_DIR: dataDir,
    HOLDFAST_RATE_LIMIT_PER_MINUTE: '1000000',
    HOLDFAST_RATE_LIMIT_BURST: '1000000',
    HOLDFAST_SHUTDOWN_ACCEPT: '0',
    HOLDFAST_SHUTDOWN_GRACE: '0',
    ...env,
  };
  const config = loadConfig(variables, {});
  const platform = await openPlatform(config, variables);
  const close = async () => {
    await platform.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  const application = await createApplication(config, platform).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return { application, platform, close };
}
