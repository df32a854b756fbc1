import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { withDatabase } from '../platform/database/testing.ts';
import { openRecordingHost, type RecordingHost, sendUpload } from './testing.ts';

withDatabase(open => {
  let host: RecordingHost;
  let session: string;
  let id: string;
  beforeAll(async () => {
    host = await openRecordingHost(await open());
    session = await host.newSession('ann');
  });
  afterAll(() => host.close());
  beforeEach(async () => {
    const answer = await sendUpload(host, session);
    id = ((await answer.json()) as { audio_id: string }).audio_id;
    host.audited.length = 0;
  });

  async function ask(caller: string, path: string, method = 'GET'): Promise<number> {
    const headers = { 'x-caller': caller };
    const answer = await fetch(`${host.url}${path}`, { method, headers });
    await answer.arrayBuffer();
    return answer.status;
  }

  it('records neither acts of the owner nor refused requests', async () => {
    for (const caller of ['Developer:ann', 'Developer:bob', 'Admin:eve:other']) {
      await ask(caller, `/v1/sessions/${session}/recordings`);
      await ask(caller, `/v1/recordings/${id}`);
      await ask(caller, `/v1/recordings/${id}/audio`);
    }
    expect(await ask('Developer:ann', `/v1/recordings/${id}`, 'DELETE')).toBe(204);
    expect(host.audited).toEqual([]);
  });

  it('records what an Admin does with another user’s recordings', async () => {
    await ask('Admin:eve', `/v1/sessions/${session}/recordings`);
    await ask('Admin:eve', `/v1/recordings/${id}`);
    await ask('Admin:eve', `/v1/recordings/${id}/audio`);
    expect(await ask('Admin:eve', `/v1/recordings/${id}`, 'DELETE')).toBe(204);
    const acts = host.audited.map(({ action, target }) => [action, target]);
    expect(acts).toEqual([
      ['recordings.read', session],
      ['recordings.read', id],
      ['recordings.read', id],
      ['recordings.delete', id],
    ]);
    for (const record of host.audited) {
      expect(record).toMatchObject({ principal: 'eve', projectId: 'default', outcome: 'allowed' });
      expect(record.requestId).not.toBe('');
    }
  });

  it('shows an Admin nothing that cannot be recorded', async () => {
    host.auditFails = true;
    expect(await ask('Admin:eve', `/v1/recordings/${id}/audio`)).toBe(500);
    expect(await ask('Admin:eve', `/v1/recordings/${id}`, 'DELETE')).toBe(500);
    host.auditFails = false;
    expect(await ask('Developer:ann', `/v1/recordings/${id}`)).toBe(200);
  });
});
