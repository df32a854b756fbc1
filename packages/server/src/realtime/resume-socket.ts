import type { Principal } from '../auth/index.ts';
import type { Upgrade } from '../http/index.ts';
import { HoldfastError } from '../kernel/index.ts';
import type { SocketDeps } from './deps.ts';
import type { RegisteredSession, WayBack } from './registry.ts';
import { acceptUpgrade } from './relay/index.ts';
import { sessionOf } from './resume-handle.ts';

/**
 * Ways back into a session whose client has lost its line: its handle, which takes the session from
 * a connection that is there still, or its one-session secret, which takes it from one that answers
 * no more. What the client gets is in `relay.attachClient`.
 */

type Caller = Upgrade<Principal>;

/** `?resume=<handle>&received=<messages>`. */
export async function resumeByHandle(
  deps: Pick<SocketDeps, 'registry'>,
  upgrade: Caller,
  handle: string,
): Promise<void> {
  const session = deps.registry.find(sessionOf(handle));
  const line = session?.line;
  if (!session || !line?.admits(handle) || !line.isOf(upgrade.principal)) throw nothingToResume();
  await resume(deps, upgrade, { session, line });
}

/** Whether the secret of that caller is a session's that goes on with it. */
export async function resumeBySecret(
  deps: Pick<SocketDeps, 'registry'>,
  upgrade: Caller,
): Promise<boolean> {
  const { grant } = upgrade.principal;
  if (grant === undefined) return false;
  const session = deps.registry.findBySecret(grant.secretId);
  const line = session?.line;
  if (!session || !line || (await line.isAnswering())) return false;
  await resume(deps, upgrade, { session, line });
  return true;
}

async function resume(
  { registry }: Pick<SocketDeps, 'registry'>,
  upgrade: Caller,
  { session, line }: { session: RegisteredSession; line: WayBack },
): Promise<void> {
  const received = receivedIn(upgrade.url.searchParams, line);
  if (!(await line.isReady())) throw nothingToResume();
  if (upgrade.socket.destroyed) return;
  const client = acceptUpgrade({ ...upgrade, speaksBeta: line.protocol === 'preview' });
  registry.follow(session, upgrade.principal);
  line.resume(client, received);
}

function nothingToResume(): HoldfastError {
  const text = 'This session has ended, or its client has come back with another handle.';
  return new HoldfastError('gone', text, { field: 'resume' });
}

function receivedIn(query: URLSearchParams, { sentMessages }: WayBack): number | null {
  const given = query.get('received');
  if (given === null) return null;
  const received = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
  if (received <= sentMessages) return received;
  const text = `received is the number of messages that came: 0 to ${sentMessages}.`;
  throw new HoldfastError('invalid_request', text, { field: 'received' });
}
