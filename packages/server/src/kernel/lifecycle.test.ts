import { describe, expect, it, vi } from 'vitest';
import { type Component, Lifecycle, type LifecycleState } from './lifecycle.ts';

const CLOSING = { closingMs: 10_000 };
/** Half of it is for drains that are cut off. */
const DRAIN_CLOSING_MS = 5_000;

function recorder() {
  const steps: string[] = [];
  const part = (name: string, more: Partial<Component> = {}): Component => ({
    name,
    start: async () => void steps.push(`start ${name}`),
    drain: async () => void steps.push(`drain ${name}`),
    stop: async () => void steps.push(`stop ${name}`),
    ...more,
  });
  return { steps, part };
}

describe('Lifecycle', () => {
  it('stops what had started when a start fails, and throws that failure', async () => {
    const { steps, part } = recorder();
    const failing = part('b', { start: async () => Promise.reject(new Error('no')) });
    const errors: string[] = [];
    const lifecycle = new Lifecycle([part('a'), failing, part('c')], {
      onError: (name, phase) => errors.push(`${phase} ${name}`),
    });
    await expect(lifecycle.start()).rejects.toThrow('no');
    expect(steps).not.toContain('start c');
    expect(steps.slice(-2)).toEqual(['stop b', 'stop a']);
    expect(errors).toEqual(['start b']);
    expect(lifecycle.state).toBe('stopped');
  });

  it('starts in order, drains all, stops in reverse, once however often it is asked', async () => {
    const { steps, part } = recorder();
    const states: LifecycleState[] = [];
    const lifecycle = new Lifecycle([part('a'), part('b')], {
      onState: state => states.push(state),
    });
    await lifecycle.start();
    await Promise.all([
      lifecycle.stop({ drainMs: 1000, ...CLOSING }),
      lifecycle.stop({ drainMs: 0, ...CLOSING }),
    ]);
    expect(steps).toEqual(['start a', 'start b', 'drain a', 'drain b', 'stop b', 'stop a']);
    expect(states).toEqual(['ready', 'draining', 'stopped']);
  });

  it('lets a drain close what is left, and cuts off one that does not end', async () => {
    vi.useFakeTimers();
    try {
      const { steps, part } = recorder();
      const aborted = (signal: AbortSignal) =>
        new Promise<void>(resolve => {
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      const polite = part('polite', {
        drain: async signal => {
          await aborted(signal);
          await new Promise(resolve => setTimeout(resolve, DRAIN_CLOSING_MS - 1));
          steps.push('closed polite');
        },
      });
      const stuck = part('stuck', { drain: () => new Promise(() => {}) });
      const lifecycle = new Lifecycle([polite, stuck]);
      await lifecycle.start();
      const stopped = lifecycle.stop({ drainMs: 1000, ...CLOSING });
      await vi.advanceTimersByTimeAsync(999 + DRAIN_CLOSING_MS);
      expect(steps.at(-1)).toBe('closed polite');
      await vi.advanceTimersByTimeAsync(1);
      await stopped;
      expect(steps.slice(-2)).toEqual(['stop stuck', 'stop polite']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('does not wait for work when it is hurried', async () => {
    const { part } = recorder();
    const busy = part('busy', {
      drain: signal =>
        new Promise(resolve => {
          if (signal.aborted) resolve();
          signal.addEventListener('abort', () => resolve(), { once: true });
        }),
    });
    const lifecycle = new Lifecycle([busy]);
    await lifecycle.start();
    const stopped = lifecycle.stop({ drainMs: 3_600_000, ...CLOSING });
    lifecycle.hurry();
    await stopped;
    expect(lifecycle.state).toBe('stopped');
  });

  it('leaves a part behind that does not stop', async () => {
    vi.useFakeTimers();
    try {
      const { steps, part } = recorder();
      const errors: string[] = [];
      const stuck = part('stuck', { stop: () => new Promise(() => {}) });
      const lifecycle = new Lifecycle([part('a'), stuck], {
        onError: (name, phase) => errors.push(`${phase} ${name}`),
      });
      await lifecycle.start();
      const stopped = lifecycle.stop({ drainMs: 0, ...CLOSING });
      await vi.advanceTimersByTimeAsync(4_000);
      await stopped;
      expect(errors).toEqual(['stop stuck']);
      expect(steps.at(-1)).toBe('stop a');
    } finally {
      vi.useRealTimers();
    }
  });

  it('ends within its times, however many parts do not, with some left for the ports', async () => {
    vi.useFakeTimers();
    try {
      const { steps, part } = recorder();
      const errors: string[] = [];
      const never = () => new Promise<void>(() => {});
      const stuck = { drain: never, stop: never };
      const parts = [part('a'), part('b', stuck), part('c', stuck), part('d', stuck)];
      const lifecycle = new Lifecycle(parts, { onError: name => errors.push(name) });
      await lifecycle.start();
      const stopped = lifecycle.stop({ drainMs: 20_000, ...CLOSING });
      await vi.advanceTimersByTimeAsync(28_000);
      expect(await stopped).toBeGreaterThanOrEqual(2_000);
      expect(errors).toEqual(['d', 'c', 'b']);
      expect(steps.at(-1)).toBe('stop a');
    } finally {
      vi.useRealTimers();
    }
  });

  it('lets what a drain has not used be no part of the closing time', async () => {
    const { part } = recorder();
    const lifecycle = new Lifecycle([part('a')]);
    await lifecycle.start();
    const left = await lifecycle.stop({ drainMs: 60_000, ...CLOSING });
    expect(left).toBeGreaterThan(9_000);
    expect(left).toBeLessThanOrEqual(10_000);
  });

  it('gives up a start when it is to stop, and stops what that start opens later', async () => {
    const { steps, part } = recorder();
    const [opening, entered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow = part('slow', {
      start: () => {
        entered.resolve();
        return opening.promise;
      },
    });
    const lifecycle = new Lifecycle([part('a'), slow, part('c')]);
    const started = lifecycle.start();
    await entered.promise;
    const stopped = lifecycle.stop({ drainMs: 0, ...CLOSING });
    await started;
    expect(lifecycle.state).toBe('draining');
    opening.resolve();
    await stopped;
    expect(steps).toEqual(['start a', 'drain a', 'drain slow', 'stop slow', 'stop a']);
    expect(lifecycle.state).toBe('stopped');
  });

  it('goes on stopping when a part fails to', async () => {
    const { steps, part } = recorder();
    const broken = part('broken', {
      drain: async () => Promise.reject(new Error('drain')),
      stop: async () => Promise.reject(new Error('stop')),
    });
    const errors: string[] = [];
    const lifecycle = new Lifecycle([part('a'), broken], {
      onError: (name, phase) => errors.push(`${phase} ${name}`),
    });
    await lifecycle.start();
    await lifecycle.stop({ drainMs: 10, ...CLOSING });
    expect(errors).toEqual(['drain broken', 'stop broken']);
    expect(steps.at(-1)).toBe('stop a');
  });
});
