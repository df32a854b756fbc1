/** What a sandbox reaches of the network: real bubblewrap, real clients, a server on loopback. */
import { existsSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { createEgress, type Egress, type EgressProxy } from '../egress/index.ts';
import { openTestHost } from '../egress/testing.ts';
import { openOwnRunsHost } from '../testing/databases.ts';
import type { RunsHost } from '../testing/host.ts';
import { openBench } from './testing.ts';

let host: RunsHost;
beforeAll(async () => {
  host = await openOwnRunsHost();
  return () => host.close();
});

/** `allowed.test` is this machine, and may be. */
function egressTo(hosts: readonly string[]): Egress {
  return createEgress({
    telemetry: host.telemetry,
    hosts,
    privateHosts: ['allowed.test'],
    resolve: async () => ['127.0.0.1'],
  });
}

/** The summary of an agent that ran `script`. */
async function summaryOf(script: string, egress?: Egress): Promise<string | null> {
  const bench = await openBench(host, { ports: { egress } });
  bench.agent.script = `echo "done $(${script})" | tr '\\n' ' '; echo`;
  const { summary } = await bench.ended(await bench.begin());
  await bench.worker.stop();
  return summary?.trim() ?? null;
}

const CURL = 'curl -sS -m 10 --noproxy "" -x http://127.0.0.1:3128';

it('reaches nothing where no host is allowed, and its environment names no proxy', async () => {
  const { port, connections } = await openTestHost();
  const script = `
    env | grep -i proxy
    ${CURL} http://allowed.test:${port}/ 2>/dev/null || echo $?
    curl -s -m 10 http://127.0.0.1:${port}/ || echo $?
    ls /run/holdfast`;
  expect(await summaryOf(script)).toBe('7 7 gateway.sock');
  expect(connections()).toBe(0);
});

it('reaches an allowed host through the proxy, with every client', async () => {
  const { port } = await openTestHost();
  const url = `http://allowed.test:${port}`;
  const script = `
    env | grep -i _proxy= | sort
    curl -sS ${url}; echo; curl -sS -p ${url}; echo
    node -e "fetch('${url}').then(answer => answer.text()).then(console.log)"`;
  const opened: EgressProxy[] = [];
  const { openProxy } = egressTo([`allowed.test:${port}`]);
  const egress: Egress = {
    openProxy(runId) {
      opened.push(openProxy(runId));
      opened[0]!.server.once('listening', () => addresses.push(opened[0]!.server.address()));
      return opened[0]!;
    },
  };
  const addresses: unknown[] = [];
  const proxy = 'http://127.0.0.1:3128';
  const direct = '127.0.0.1,localhost';
  expect((await summaryOf(script, egress))?.split(' ')).toEqual([
    `HTTPS_PROXY=${proxy}`,
    `HTTP_PROXY=${proxy}`,
    'NODE_USE_ENV_PROXY=1',
    `NO_PROXY=${direct}`,
    `http_proxy=${proxy}`,
    `https_proxy=${proxy}`,
    `no_proxy=${direct}`,
    ...['reached', 'reached', 'reached'],
  ]);
  // It ends with the run.
  expect(opened.map(({ server }) => server.listening)).toEqual([false]);
  expect(addresses).toEqual([expect.stringMatching(/\/proxy\.sock$/)]);
  expect(existsSync(String(addresses[0]))).toBe(false);
});

it('reaches no other host, port or private address', async () => {
  const { port, connections } = await openTestHost();
  const other = await openTestHost();
  const code = `-o /dev/null -w '%{http_code} %{http_connect} '`;
  const script = `
    ${CURL} ${code} http://other.test:${port}/
    ${CURL} ${code} -p http://allowed.test:${other.port}/ 2>/dev/null
    ${CURL} ${code} http://private.test:${port}/
    ${CURL} ${code} -p http://127.0.0.1:${port}/ 2>/dev/null
    curl -s -m 5 --noproxy '*' http://127.0.0.1:${port}/ || echo $?
    ${CURL} http://other.test:${port}/`;
  const answer = await summaryOf(
    script,
    egressTo([`allowed.test:${port}`, `private.test:${port}`]),
  );
  expect(answer).toMatch(/^403 000 000 403 403 000 000 403 7 Agents may not connect to other.test/);
  expect(connections() + other.connections()).toBe(0);
});
