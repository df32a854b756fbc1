import type { Telemetry } from '../../platform/telemetry/index.ts';
import type { Resolve } from './addresses.ts';
import { createAllowlist, createPrivateHosts } from './allowlist.ts';
import { DEFAULT_LIMITS, type EgressLimits, EgressProxy, type ProxyRules } from './proxy.ts';

/**
 * The way out of a sandbox: a forward proxy (CONNECT and `http://` in absolute form, RFC 9110) for
 * one run, which connects to hosts on a list and to nothing else. The worker listens with its
 * server, on a socket that only the run's sandbox is shown, and closes it with the run.
 *
 * Invariants:
 * - A name is looked up only when it is on the list, once for each connection, and the connection
 *   goes to an address that was judged. A private address needs a setting of its own.
 * - Tunnels are passed on without inspection. A refusal names its reason (`Proxy-Status`, RFC 9209)
 *   and the remedy for an administrator.
 * - Everything is bounded (`EgressLimits`). Logs and metrics hold hosts and ports, never a path, a
 *   query or a header.
 *
 * Of libraries proxy-chain comes nearest; it listens on ports only, takes no bounds on headers,
 * idle and connecting, and does not judge literal addresses.
 */
export type { EgressProxy } from './proxy.ts';

export interface EgressOptions {
  readonly telemetry: Telemetry;
  /** `HOLDFAST_SANDBOX_ALLOWED_HOSTS`: `host`, `*.suffix`, each with `:port` or without. */
  readonly hosts: readonly string[];
  /** `HOLDFAST_ALLOWED_HOSTS`: which of them may have a private address. */
  readonly privateHosts: readonly string[];
  readonly limits?: Partial<EgressLimits>;
  /** Default: the system's resolver. */
  readonly resolve?: Resolve;
}

/** Opens proxies, each for one run. */
export interface Egress {
  /** The caller listens with its `server`, and must close it. */
  openProxy(runId: string): EgressProxy;
}

export function createEgress(options: EgressOptions): Egress {
  const { telemetry, resolve } = options;
  const { log, meter } = telemetry;
  const rules: ProxyRules = {
    isListed: createAllowlist(options.hosts),
    mayBePrivate: createPrivateHosts(options.privateHosts),
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    resolve,
  };
  const requests = meter.createCounter('holdfast_sandbox_outbound_requests_total');
  const bytes = meter.createCounter('holdfast_sandbox_outbound_bytes_total');
  return {
    openProxy(runId) {
      return new EgressProxy(rules, {
        log: log.child({ run_id: runId }),
        counted: outcome => requests.add(1, { outcome }),
        carried: (sentBytes, receivedBytes) => {
          bytes.add(sentBytes, { direction: 'sent' });
          bytes.add(receivedBytes, { direction: 'received' });
        },
      });
    },
  };
}
