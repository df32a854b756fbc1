import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import type { Platform } from '../compose.ts';
import { loadConfig } from '../config/index.ts';
import { withDatabase } from '../platform/database/testing.ts';
import { openHealth } from './http.ts';

/** A volume without any room. */
const FULL = '/proc';

withDatabase(open => {
  it('is degraded on a full volume though the embedded database answers', async () => {
    const database = await open();
    const platform = {
      database,
      blobs: { ping: async () => {} },
      telemetry: { log: { warn() {}, info() {} } },
    } as unknown as Platform;
    const statusWith = async (variables: Record<string, string>) => {
      const config = loadConfig(variables, {});
      const { checks } = await openHealth(config, platform, []).read();
      return checks.database;
    };
    expect(await statusWith({ HOLDFAST_DATA_DIR: FULL })).toMatchObject({
      status: 'degraded',
      message: 'No room on the volume of the data folder.',
    });
    expect(await statusWith({ HOLDFAST_DATA_DIR: tmpdir() })).toMatchObject({ status: 'healthy' });
    const elsewhere = {
      HOLDFAST_DATA_DIR: FULL,
      DATABASE_URL: database.url,
      HOLDFAST_MASTER_KEY: Buffer.alloc(32).toString('base64'),
    };
    expect(await statusWith(elsewhere)).toMatchObject({ status: 'healthy' });
  });
});
