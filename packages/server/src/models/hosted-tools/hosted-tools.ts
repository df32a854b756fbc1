import { type HostedTool, type HostedTools, hostedTool } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { Audit, Principal } from '../../auth/index.ts';
import { HoldfastError } from '../../kernel/index.ts';
import type { Database } from '../../platform/database/index.ts';
import { tables } from '../tables.ts';

/** Which of the things that providers do themselves a project allows. None by default. */
export interface HostedToolsPolicy {
  read(by: Principal): Promise<HostedTools>;
  /** Allows these and no others, from the next call on. */
  put(by: Principal, request: HostedTools, requestId: string): Promise<HostedTools>;
  /** Throws `invalid_request` for the first of `asked` (tool → field) that is not allowed. */
  check(projectId: string, asked: ReadonlyMap<HostedTool, string>): Promise<void>;
}

export interface HostedToolsDeps {
  readonly database: Database;
  readonly audit: Pick<Audit, 'record'>;
}

export function createHostedTools({ database, audit }: HostedToolsDeps): HostedToolsPolicy {
  const allowedIn = async (projectId: string) => {
    const row = await tables(database.db)
      .selectFrom('hosted_tools')
      .select('allowed')
      .where('project_id', '=', projectId)
      .executeTakeFirst();
    // A name that only a later revision knows allows nothing here.
    return (row?.allowed ?? []).flatMap(name => hostedTool.safeParse(name).data ?? []);
  };
  return {
    async read(by) {
      return { allowed: await allowedIn(by.projectId) };
    },

    async put(by, request, requestId) {
      const { id: set_by, projectId: project_id } = by;
      const allowed = [...new Set(request.allowed)].toSorted();
      await database.transaction(async trx => {
        await tables(trx)
          .insertInto('hosted_tools')
          .values({ project_id, allowed, set_by })
          .onConflict(conflict =>
            conflict
              .column('project_id')
              .doUpdateSet({ allowed, set_by, set_at: sql<Date>`now()` }),
          )
          .execute();
        const act = { principal: by.id, projectId: by.projectId, requestId };
        const target = allowed.join(',') || 'none';
        await audit.record({ ...act, action: 'hosted_tools.set', target, outcome: 'allowed' }, trx);
      });
      return { allowed };
    },

    async check(projectId, asked) {
      if (asked.size === 0) return;
      const allowed = await allowedIn(projectId);
      for (const [tool, field] of asked) {
        if (!allowed.includes(tool)) throw notAllowed(tool, { field, allowed });
      }
    },
  };
}

function notAllowed(
  tool: HostedTool,
  { field, allowed }: { field: string; allowed: readonly HostedTool[] },
): HoldfastError {
  const text =
    `${field}: the provider's ${tool} is not allowed in this project. ` +
    'An Admin allows it by name with PUT /v1/hosted-tools.';
  return new HoldfastError('invalid_request', text, { field, allowed });
}
