import { setTimeout as delay } from 'node:timers/promises';
import type { Principal } from '../auth/index.ts';
import type { Upgrade } from '../http/index.ts';
import { HoldfastError } from '../kernel/index.ts';
import type { SocketDeps } from './deps.ts';
import type { WayBack } from './registry.ts';
import { acceptUpgrade } from './relay/index.ts';
import { sessionOf } from './resume-handle.ts';
import { findByHandle, findBySecret, takeUp } from './take-up.ts';

/**
 * Ways back into a session whose client has lost its line: its handle, which takes the session from
 * a connection that is there still, or its one-session secret, which takes it from one that answers
 * no more. What the client gets is in `relay.attachClient`.
 */

type Caller = Upgrade<Principal>;

/** How long a session that is ending may take to. */
const ENDED_WITHIN_MS = 5_000;

/** `?resume=<handle>&received=<messages>`. */
export async function resumeByHandle(
  deps: SocketDeps,
  upgrade: Caller,
  handle: string,
): Promise<void> {
  const sessionId = sessionOf(handle);
  const line = deps.registry.find(sessionId)?.line;
  if (line && !(line.admits(handle) && line.isOf(upgrade.principal))) throw nothingToResume();
  if (line && (await resume(deps, upgrade, { sessionId, line }))) return;
  deps.registry.assertAdmitting();
  const found = await findByHandle(deps, upgrade, { sessionId, handle });
  if (found === undefined) throw nothingToResume();
  const received = receivedIn(upgrade, found.record.client.messages);
  await takeUp(deps, upgrade, { ...found, received });
}

/** Whether the secret of that caller is a session's that goes on with it. */
export async function resumeBySecret(deps: SocketDeps, upgrade: Caller): Promise<boolean> {
  const { grant } = upgrade.principal;
  // With a secret for several, whoever comes may be another device, with a session of its own.
  if (grant?.maxSessions !== 1) return false;
  const session = deps.registry.findBySecret(grant.secretId);
  const line = session?.line;
  if (session && line) {
    if (await line.isAnswering()) return false;
    const sessionId = session.leased.id;
    if (await resume(deps, upgrade, { sessionId, line })) return true;
  }
  const found = await findBySecret(deps, grant.secretId);
  if (found === undefined) return false;
  deps.registry.assertAdmitting();
  await takeUp(deps, upgrade, {
    ...found,
    received: receivedIn(upgrade, found.record.client.messages),
  });
  return true;
}

/** False where the session is ending here; it may be left to whoever takes it up. */
async function resume(
  { registry }: Pick<SocketDeps, 'registry'>,
  upgrade: Caller,
  { sessionId, line }: { sessionId: string; line: WayBack },
): Promise<boolean> {
  const isReady = await line.isReady();
  if (!isReady && !line.isOver) {
    throw new HoldfastError('unavailable', 'The session is busy. Connect again.', {
      retryAfterS: 1,
    });
  }
  const session = registry.find(sessionId);
  if (!isReady || session?.line !== line) {
    await Promise.race([session?.done, delay(ENDED_WITHIN_MS, undefined, { ref: false })]);
    return false;
  }
  const received = receivedIn(upgrade, line.sentMessages);
  if (upgrade.socket.destroyed) return true;
  const client = acceptUpgrade({ ...upgrade, speaksBeta: line.protocol === 'preview' });
  registry.follow(session, upgrade.principal);
  line.resume(client, received);
  return true;
}

function nothingToResume(): HoldfastError {
  const text = 'This session has ended, or its client has come back with another handle.';
  return new HoldfastError('gone', text, { field: 'resume' });
}

function receivedIn({ url }: Caller, sentMessages: number): number | null {
  const given = url.searchParams.get('received');
  if (given === null) return null;
  const received = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
  if (received <= sentMessages) return received;
  const text = `received is the number of messages that came: 0 to ${sentMessages}.`;
  throw new HoldfastError('invalid_request', text, { field: 'received' });
}
