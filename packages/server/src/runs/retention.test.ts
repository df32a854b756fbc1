import { Readable } from 'node:stream';
import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { createRuns } from './index.ts';
import { CHECKPOINTS_KEPT_DAYS } from './retention.ts';
import { withRunsHost } from './testing/databases.ts';
import { checkpointOf, type RunsHost } from './testing/host.ts';

const RETENTION_DAYS = 30;
const COMMIT = 'a'.repeat(40);
const SUCCESS = { status: 'succeeded', reason: null, summary: 'private words' } as const;

async function put(host: RunsHost, key: string) {
  const how = { contentType: 'text/plain', maxBytes: 100 };
  await host.blobs.put(key, Readable.from(['x']), how);
}

/** An ended run with a checkpoint and a patch, that ended so many days ago. */
async function endedRun(host: RunsHost, days: number): Promise<string> {
  const [id] = await host.newRuns('builtin');
  const run = await host.claim(id!);
  const { driver } = host.runs;
  const checkpoint = checkpointOf(run.id, 1, COMMIT);
  const blobKey = `artifacts/${id}/1.diff`;
  await put(host, checkpoint.manifestKey);
  await put(host, blobKey);
  await driver.saveCheckpoint(run, checkpoint, 's');
  await driver.setDiff(run, {
    headCommit: COMMIT,
    branch: `holdfast/${id}`,
    insertions: 1,
    deletions: 0,
    files: [{ path: 'a', old_path: null, status: 'modified', insertions: 1, deletions: 0 }],
    patch: { blobKey, sizeBytes: 1, sha256: '0'.repeat(64) },
  });
  await driver.finish(run, SUCCESS);
  await age(host, id!, days);
  return id!;
}

async function age(host: RunsHost, id: string, days: number) {
  const aged = sql`
    update runs set finished_at = now() - ${days} * interval '1 day' where id = ${id}`;
  await aged.execute(host.database.db);
}

async function blobsOf(host: RunsHost, id: string): Promise<string[]> {
  const keys: string[] = [];
  for (const folder of ['artifacts', 'workspaces']) {
    for await (const key of host.blobs.list(`${folder}/${id}/`)) keys.push(key.split('/')[0]!);
  }
  return keys;
}

withRunsHost(open => {
  it('keeps checkpoints of ended runs for a week, and while a follow-up needs them', async () => {
    const host = await open();
    const young = await endedRun(host, CHECKPOINTS_KEPT_DAYS - 0.1);
    const old = await endedRun(host, CHECKPOINTS_KEPT_DAYS + 0.1);
    const continued = await endedRun(host, CHECKPOINTS_KEPT_DAYS + 0.1);
    const { task_id } = (await host.send('GET', `/v1/runs/${continued}`)).body;
    const follow = { agents: ['builtin'], instruction: 'More.', continues: continued };
    const next = await host.send('POST', `/v1/tasks/${task_id}/runs`, follow);
    await host.runs.upkeep();
    expect(await blobsOf(host, young)).toEqual(['artifacts', 'workspaces']);
    expect(await blobsOf(host, old)).toEqual(['artifacts']);
    expect(await blobsOf(host, continued)).toEqual(['artifacts', 'workspaces']);
    const shown = (await host.send('GET', `/v1/runs/${old}/artifacts`)).body.data;
    expect(shown.map(({ kind }: { kind: string }) => kind)).toEqual(['patch']);
    expect((await host.request(`/v1/runs/${old}/patch`)).status).toBe(200);
    const held = await host.claim(next.body.runs[0].id);
    expect(held.continues?.checkpoint).not.toBeNull();
  });

  it('erases ended runs past their retention, and keeps that they existed', async () => {
    const host = await open({ retentionDays: RETENTION_DAYS });
    const young = await endedRun(host, RETENTION_DAYS - 0.1);
    const old = await endedRun(host, RETENTION_DAYS + 0.1);
    for (let twice = 0; twice < 2; twice += 1) await host.runs.upkeep();
    expect(await blobsOf(host, young)).toEqual(['artifacts']);
    expect(await host.runs.keptOf([young, old, 'run_unknown'])).toEqual(new Set([young]));
    expect(await blobsOf(host, old)).toEqual([]);
    expect((await host.send('GET', `/v1/runs/${young}`)).body.summary).toBe('private words');
    expect((await host.send('GET', `/v1/runs/${old}`)).body).toMatchObject({
      status: 'succeeded',
      files_changed: [],
      head_commit: COMMIT,
    });
    expect((await host.send('GET', `/v1/runs/${old}`)).body.summary ?? '').toBe('');
    expect((await host.request(`/v1/runs/${old}/patch`)).status).toBe(404);
    expect((await host.request(`/v1/runs/${old}/stream`)).status).toBe(410);
  });

  it('erases again, before it serves, what a restored backup brought back', async () => {
    const host = await open({ retentionDays: RETENTION_DAYS });
    const { db } = host.database;
    const [erased, kept] = [await endedRun(host, RETENTION_DAYS - 1), await endedRun(host, 1)];
    await sql`create table backup_runs as select * from runs`.execute(db);
    await sql`create table backup_events as select * from events`.execute(db);
    await sql`create table backup_artifacts as select * from artifacts`.execute(db);
    await age(host, erased, RETENTION_DAYS + 0.1);
    await host.runs.upkeep();
    // In the backup it was still at work.
    await sql`update runs set status = 'running', finished_at = null, summary_data = b.summary_data,
      summary_key_id = b.summary_key_id, files_changed = b.files_changed
      from backup_runs b where b.id = runs.id and b.id = ${erased}`.execute(db);
    await sql`update subjects set erased_at = null where id = ${erased}`.execute(db);
    await sql`insert into events select * from backup_events where subject = ${erased}`.execute(db);
    await sql`insert into artifacts select * from backup_artifacts
      where run_id = ${erased}`.execute(db);
    await put(host, `artifacts/${erased}/1.diff`);
    expect((await host.send('GET', `/v1/runs/${erased}`)).body.files_changed).toHaveLength(1);
    await host.runs.erasures.start!();
    expect(await blobsOf(host, erased)).toEqual([]);
    expect((await host.send('GET', `/v1/runs/${erased}`)).body).toMatchObject({
      status: 'failed',
      reason: 'worker_lost',
      files_changed: [],
    });
    expect((await host.request(`/v1/runs/${erased}/stream`)).status).toBe(410);
    const left = await sql`select from events where subject = ${erased}`.execute(db);
    expect(left.rows).toEqual([]);
    expect(host.telemetry.events()).toContain('erasures.replayed');
    expect((await host.send('GET', `/v1/runs/${kept}`)).body.summary).toBe('private words');
    expect((await host.request(`/v1/runs/${kept}/patch`)).status).toBe(200);
  });

  it('does not start to serve what it cannot erase again', async () => {
    const host = await open({ retentionDays: RETENTION_DAYS });
    const id = await endedRun(host, RETENTION_DAYS + 0.1);
    await host.runs.upkeep();
    await sql`update subjects set erased_at = null where id = ${id}`.execute(host.database.db);
    const list = () => {
      throw new Error('no storage');
    };
    const broken = createRuns({ ...host.deps, blobs: { ...host.blobs, list } });
    await expect(broken.erasures.start!()).rejects.toThrow('no storage');
  });

  it('keeps them for ever by default', async () => {
    const host = await open();
    const old = await endedRun(host, 10_000);
    await host.runs.upkeep();
    expect((await host.send('GET', `/v1/runs/${old}`)).body.summary).toBe('private words');
  });
});
