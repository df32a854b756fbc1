import type { LookupFunction } from 'node:net';
import { connect, isIP, type Socket } from 'node:net';
import { isPublic, type Resolve, resolveHost } from './addresses.ts';
import { EgressError } from './egress-error.ts';
import { authorityOf, type Target } from './target.ts';

export interface ConnectOptions {
  readonly mayBePrivate: boolean;
  readonly timeoutMs: number;
  readonly resolve?: Resolve | undefined;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** After this long without an answer the next address is tried. */
const ATTEMPT_TIMEOUT_MS = 1_000;

/**
 * A connected socket, half open when one side ends; the caller must close it. The name is looked up
 * once, all its addresses are judged, and only those addresses are tried: a later answer of a name
 * server has no effect. Throws `EgressError`, or the system's error.
 */
export async function connectTo(target: Target, options: ConnectOptions): Promise<Socket> {
  const startedMs = performance.now();
  const addresses = await addressesOf(target, options);
  if (!options.mayBePrivate && !addresses.every(isPublic)) {
    throw new EgressError(
      'destination_ip_prohibited',
      `${target.host} has a private address. An administrator can allow that by adding ` +
        `${authorityOf(target)} to HOLDFAST_ALLOWED_HOSTS.`,
    );
  }
  options.signal.throwIfAborted();
  const leftMs = options.timeoutMs - (performance.now() - startedMs);
  if (leftMs <= 0) throw late(target);
  const socket = connect({
    host: target.host,
    port: target.port,
    lookup: only(addresses),
    allowHalfOpen: true,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ATTEMPT_TIMEOUT_MS,
  });
  return connected(socket, target, { leftMs, signal: options.signal });
}

async function addressesOf({ host }: Target, options: ConnectOptions): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  try {
    return await resolveHost(host, options);
  } catch {
    throw new EgressError('dns_error', `${host} has no address.`);
  }
}

/** Answers every lookup with these addresses. */
function only(addresses: readonly string[]): LookupFunction {
  const all = addresses.map(address => ({ address, family: isIP(address) }));
  return (_host, options, answer) => {
    if (options.all) answer(null, all);
    else answer(null, all[0]!.address, all[0]!.family);
  };
}

async function connected(
  socket: Socket,
  target: Target,
  { leftMs, signal }: { leftMs: number; signal: AbortSignal },
): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const timer = setTimeout(() => socket.destroy(late(target)), leftMs);
  const abort = () => socket.destroy(new Error('aborted'));
  signal.addEventListener('abort', abort);
  socket.once('connect', () => resolve(socket));
  // Kept for the socket's life: an error without a listener would end the process.
  socket.on('error', reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

function late(target: Target): EgressError {
  return new EgressError('connection_timeout', `${authorityOf(target)} did not answer in time.`);
}
