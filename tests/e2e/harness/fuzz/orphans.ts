import type { InspectedServer } from '../inspected-server.ts';

/** What each query finds should not be. */
const ORPHAN_ROWS: Readonly<Record<string, string>> = {
  'a session that holds a place': 'select id from sessions where holds_place',
  'a session that is open': `select id from sessions where state in ('connected', 'disconnected')`,
  'a session with an order that no process carried out':
    'select id from sessions where control is not null',
  'a subject without its session': `select id from subjects s where kind = 'session'
    and not exists (select from sessions x where x.id = s.id)`,
  'a subject without its run': `select id from subjects s where kind = 'run'
    and not exists (select from runs x where x.id = s.id)`,
  'a run without its log': `select id from runs r
    where not exists (select from events e where e.subject = r.id and e.type = 'run.created')`,
  'a queued run without its job': `select id from runs r where status = 'queued'
    and not exists (select from pgboss.job j where j.name = 'agent' and j.data ->> 'run_id' = r.id
      and j.state in ('created', 'retry', 'active'))`,
  'a job without its run': `select data ->> 'run_id' as id from pgboss.job j where name = 'agent'
    and not exists (select from runs r where r.id = j.data ->> 'run_id')`,
  'a run whose end is not in its log, or the other way round': `select id from runs r
    where (status in ('succeeded', 'failed', 'canceled')) <> (finished_at is not null)
    or (finished_at is not null) <> exists (select from events e where e.subject = r.id
      and e.type = 'run.' || r.status)`,
  'a task without a message': `select id from tasks t
    where not exists (select from messages m where m.task_id = t.id)`,
  'a lease that was not given back': 'select id from subjects where lease_replica is not null',
  'a log with holes': `select s.id from subjects s where erased_at is null and
    last_seq <> (select count(*) from events e where e.subject = s.id)`,
  'an event of something erased': `select e.subject as id from events e
    join subjects s on s.id = e.subject where s.erased_at is not null and e.type <> 'erased'`,
  'a recording that is not complete': `select id from recordings where state <> 'complete'`,
  'a recording of something erased': `select r.id from recordings r
    join subjects s on s.id = r.session_id where s.erased_at is not null`,
  'a key of nothing': `select subject as id from subject_keys k where erased_at is null
    and subject not like 'client-secrets:%'
    and not exists (select from tasks t where t.id = k.subject)
    and not exists (select from provider_keys p where p.id = k.subject and p.revoked_at is null)
    and not exists (select from subjects s where s.id = k.subject and s.erased_at is null)`,
  'a client secret of nothing': `select id from client_secrets c
    where not exists (select from projects p where p.id = c.project_id)`,
};

/** Every row, blob and file that belongs to nothing, by what is wrong with it. */
export async function orphans(server: InspectedServer): Promise<string[]> {
  const found = [];
  for (const [name, sql] of Object.entries(ORPHAN_ROWS)) {
    for (const { id } of await server.query<{ id: string }>(sql)) found.push(`${name}: ${id}`);
  }
  const rows = await server.query<{ blob_key: string }>(
    `select blob_key from recordings union all select blob_key from artifacts
      union all select handover_key from sessions where handover_key is not null`,
  );
  const keys = new Set(rows.map(row => row.blob_key));
  const blobs = await server.blobs();
  found.push(...blobs.filter(key => !keys.has(key)).map(key => `a blob without a row: ${key}`));
  found.push(
    ...[...keys].filter(key => !blobs.includes(key)).map(key => `a row without a blob: ${key}`),
  );
  found.push(...(await server.leftovers()).map(name => `a file that was left: ${name}`));
  return found;
}
