/** A server that allows one host: what an agent reaches, and the answer for other hosts. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RunsApi } from './harness/runs.ts';
import { type Stack, startStack } from './harness/stacks.ts';

let stack: Stack;
let api: RunsApi;
let port: number;
let outside: Server;
const asked: string[] = [];

beforeAll(async () => {
  outside = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end('reached');
  });
  await new Promise<void>(resolve => outside.listen(0, '127.0.0.1', resolve));
  ({ port } = outside.address() as AddressInfo);
  const host = `localhost:${port}`;
  const server = { HOLDFAST_SANDBOX_ALLOWED_HOSTS: host, HOLDFAST_ALLOWED_HOSTS: host };
  stack = await startStack('embedded', { server });
  api = new RunsApi(stack.url);
});
afterAll(async () => {
  outside?.close();
  await stack?.stop();
});

it('reaches the host that is allowed; the refusal of another names the setting', async () => {
  const curl = 'curl -s -m 10 --noproxy "" -x "$http_proxy"';
  const commands = [
    `${curl} http://localhost:${port}/allowed; echo " one-$((1000 + 1))"`,
    `${curl} http://127.0.0.1:${port}/denied; echo " two-$((1000 + 2))"`,
    `${curl} ${stack.url}/v1/runs; echo " three-$((1000 + 3))"`,
  ];
  const directives = commands.map(command => `[[simulate: command ${command}]]`).join('\n');
  const run = await api.working(`${directives}\nLook around.`);
  const events = await api.follow(run.id);
  expect(await api.run(run.id)).toMatchObject({ status: 'succeeded' });
  const said = JSON.stringify(events);
  expect(said).toContain('reached one-1001');
  expect(said).toMatch(/127\.0\.0\.1:\d+ to HOLDFAST_SANDBOX_ALLOWED_HOSTS\.\\n two-1002/);
  expect(said).toMatch(/HOLDFAST_SANDBOX_ALLOWED_HOSTS\.\\n three-1003/);
  expect(asked).toEqual(['/allowed']);
  const metrics = await (await api.request('/metrics')).text();
  expect(metrics).toMatch(/^holdfast_sandbox_outbound_requests_total\{.*"allowed".*\} 1$/m);
  expect(metrics).toMatch(/^holdfast_sandbox_outbound_requests_total\{.*denied".*\} 2$/m);
});
