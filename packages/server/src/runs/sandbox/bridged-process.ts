import type { ChildProcess } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { ControlGroup } from '../../platform/isolation/index.ts';
import { GroupProcess } from './group-process.ts';
import type { SandboxedProcess } from './sandbox.ts';

const REPORT_MAX_CHARS = 100;

/** What the bridge is to do. */
export interface BridgeOrder {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where the command starts. Perhaps only the user that it runs as can enter it. */
  readonly cwd: string;
  /** Ports of the sandbox's loopback and the Unix sockets inside that they lead to. */
  readonly ports: readonly { readonly port: number; readonly socket: string }[];
}

/** How the command ended. */
export interface BridgeReport {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Bridged {
  readonly control: Duplex;
  readonly order: BridgeOrder;
  readonly group: ControlGroup | undefined;
  readonly memoryBytes?: () => number;
}

/**
 * The process of a sandbox whose first program is the bridge. `control` is the line to the bridge,
 * where it gets its order. Killing `child` must end everything inside.
 */
export function bridgedProcess(
  child: ChildProcess,
  { control, order, group, memoryBytes }: Bridged,
): SandboxedProcess {
  control.on('error', () => {});
  control.write(`${JSON.stringify(order)}\n`);
  return new GroupProcess(child, {
    group,
    memoryBytes,
    report: reportOf(child, control),
    signal: signal => {
      if (signal === 'SIGKILL') return false;
      control.write(`${JSON.stringify({ signal })}\n`);
      return true;
    },
  });
}

/** How the command ended, as the bridge reports; undefined when it was killed before. */
async function reportOf(child: ChildProcess, control: Duplex): Promise<BridgeReport | undefined> {
  const { promise, resolve } = Promise.withResolvers<BridgeReport | undefined>();
  let text = '';
  control.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(0, REPORT_MAX_CHARS);
    if (text.includes('\n')) resolve(parseReport(text));
  });
  child.once('close', () => resolve(undefined));
  child.once('error', () => resolve(undefined));
  return promise;
}

function parseReport(text: string): BridgeReport | undefined {
  const match = /^\{"code":(null|\d{1,3}),"signal":(?:null|"(SIG[A-Z0-9]{1,10})")\}\n/.exec(text);
  if (!match) return undefined;
  const code = match[1] === 'null' ? null : Number(match[1]);
  return { code, signal: (match[2] as NodeJS.Signals | undefined) ?? null };
}
