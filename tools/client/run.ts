import type { ClientOptions } from './arguments.ts';
import { type ConnectionReport, holdConnection } from './connection.ts';
import { verdict } from './verdict.ts';

/** Opens at most so many connections a second: real clients do not all come at once. */
const OPENED_PER_SECOND = 500;

/** Holds all connections for the duration, or until interrupted, and judges what happened. */
export async function run(
  options: ClientOptions,
  interrupt: AbortSignal,
): Promise<{ text: string; passed: boolean }> {
  const timeUp = new AbortController();
  const over = AbortSignal.any([interrupt, timeUp.signal]);
  const reports: Promise<ConnectionReport>[] = [];
  for (let number = 1; number <= options.connections && !interrupt.aborted; number++) {
    reports.push(holdConnection(number, options, over));
    if (number % OPENED_PER_SECOND === 0) await pause(1_000, interrupt);
  }
  const everyoneLeft = Promise.all(reports);
  await Promise.race([pause(options.durationMs, interrupt), everyoneLeft]);
  timeUp.abort();
  return verdict(await everyoneLeft, { interrupted: interrupt.aborted });
}

/** Resolves after the time, or at once when interrupted. */
function pause(timeMs: number, interrupt: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, timeMs);
    timer.unref();
    interrupt.addEventListener('abort', () => resolve(), { once: true });
  });
}
