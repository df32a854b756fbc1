/**
 * The way out of a sandbox: a forward proxy (CONNECT and `http://` in absolute form, RFC 9110) for
 * one run, that connects to hosts on a list and to nothing else. The worker listens with its
 * server, on a socket that only the run's sandbox is shown, and closes it with the run.
 *
 * Invariants:
 * - A name is looked up only when it is on the list, once for each connection, and the connection
 *   goes to an address that was judged. A private address needs a setting of its own.
 * - Tunnels are passed, not looked into. What is refused is answered with its reason
 *   (`Proxy-Status`, RFC 9209) and with what an administrator can do.
 * - Everything is bounded (`limits.ts`). Logs and metrics hold hosts and ports, never a path, a
 *   query or a header.
 *
 * Of libraries proxy-chain comes nearest; it listens on ports only, takes no bounds on headers,
 * idle and connecting, and does not judge addresses that need no looking up.
 */

export { createEgress, type Egress, type EgressOptions } from './egress.ts';
export type { EgressProxy } from './proxy.ts';
