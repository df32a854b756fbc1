import { expect, it } from 'vitest';
import { mayWork } from './runs.ts';

it('agents without a sandbox work in local mode, or where a setting allows it', () => {
  const logged: string[] = [];
  const log = {
    warn: (event: string) => void logged.push(event),
    error: (event: string) => void logged.push(event),
  };
  const work = (
    isolated: boolean,
    mode: 'local' | 'oidc',
    withoutSandbox: boolean,
    sandboxRuntime = 'bubblewrap',
  ) =>
    mayWork({
      config: { runs: { withoutSandbox, sandboxRuntime } },
      platform: { telemetry: { log } },
      others: { auth: { mode } },
      sandbox: { isolated, note: 'bubblewrap is missing' },
    } as unknown as Parameters<typeof mayWork>[0]);
  expect(work(false, 'oidc', false)).toBe(false);
  expect(logged).toEqual(['runs.refused']);
  expect([work(false, 'local', false), work(false, 'oidc', true)]).toEqual([true, true]);
  expect(logged.slice(1)).toEqual(['runs.not_isolated', 'runs.not_isolated']);
  expect(work(true, 'oidc', false)).toBe(true);
  expect(logged).toHaveLength(3);
  // Demanded: neither local mode nor the other setting allows less.
  expect([work(false, 'local', false, 'gvisor'), work(false, 'oidc', true, 'gvisor')]).toEqual([
    false,
    false,
  ]);
  expect(logged.slice(3)).toEqual(['runs.refused', 'runs.refused']);
  expect(work(true, 'oidc', false, 'gvisor')).toBe(true);
});
