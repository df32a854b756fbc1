/** The rows of the table, from what was measured. */
import { quantile, type Spread, spread } from '../lib/stats.ts';
import type { Results } from './results.ts';

export interface Row {
  readonly what: string;
  readonly peer: string;
  /** Ours to the peer's, within each round. */
  readonly ratio: Spread;
  /** What is asked for. */
  readonly target: string;
  readonly besides: string;
}

export function rowsOf(results: Results): Row[] {
  return [
    ...startRows(results),
    ...appendRows(results),
    ...fanOutRows(results),
    ...memoryRows(results),
    ...noOpRows(results),
  ];
}

function startRows({ starts: rounds }: Results): Row[] {
  if (rounds.length === 0) return [];
  const all = rounds.flatMap(round => round.starts);
  const part = (name: 'total' | 'answered' | 'claimed' | 'prepared') =>
    `${median(all.map(one => one[name])).toFixed(0)} ms`;
  const wake = median(rounds.flatMap(round => round.wakesMs)).toFixed(1);
  return [
    {
      what: 'request to `run.started` at a subscriber, p50',
      peer: 'pg-boss, `send` to handler',
      ratio: spread(
        rounds.map(one => median(one.starts.map(start => start.total)) / median(one.wakesMs)),
      ),
      target: '–',
      besides:
        `${part('total')} to ${wake} ms; answered after ${part('answered')}, row to claim ` +
        `${part('claimed')}, claim to workspace ${part('prepared')}`,
    },
  ];
}

function appendRows({ appends: rounds }: Results): Row[] {
  if (rounds.length === 0) return [];
  return [
    {
      what: 'durable appends with a subscriber, events a second',
      peer: 'bare INSERT and NOTIFY',
      ratio: spread(rounds.map(one => one.ownPerS / one.barePerS)),
      target: '≥ 0.5',
      besides:
        `delivered after ${median(rounds.map(one => one.p50Ms)).toFixed(1)} ms (p50), ` +
        `${median(rounds.map(one => one.p99Ms)).toFixed(1)} ms (p99)`,
    },
  ];
}

const FAN_OUT_PEERS = ['nginx with nchan', 'node:http', 'node:http, 50 ms'];

function fanOutRows({ fanOut: { samples } }: Results): Row[] {
  const of = (target: string) => samples.filter(sample => sample.target === target);
  const own = of('Holdfast');
  if (own.length === 0) return [];
  return FAN_OUT_PEERS.filter(peer => of(peer).length > 0).map(peer => ({
    what: 'CPU of a delivered event',
    peer,
    ratio: spread(of(peer).map((sample, at) => own[at]!.perEventUs / sample.perEventUs)),
    target: peer === FAN_OUT_PEERS[0] ? '≤ 1.5' : '–',
    besides:
      `${median(own.map(one => one.perEventUs)).toFixed(2)} µs to ` +
      `${median(of(peer).map(one => one.perEventUs)).toFixed(2)} µs; arrived: ` +
      `${percent(own.map(one => one.share))} and ${percent(of(peer).map(one => one.share))}`,
  }));
}

function memoryRows({ fanOut: { memoryBytes } }: Results): Row[] {
  const own = memoryBytes.Holdfast;
  if (own === undefined) return [];
  return FAN_OUT_PEERS.slice(0, 2).flatMap(peer => {
    const bytes = memoryBytes[peer];
    if (bytes === undefined) return [];
    return {
      what: 'memory of an idle subscriber',
      peer,
      ratio: spread([own / bytes]),
      target: peer === 'node:http' ? '≤ 1.5' : '–',
      besides: `${(own / 1024).toFixed(1)} KB to ${(bytes / 1024).toFixed(1)} KB`,
    };
  });
}

function noOpRows({ noOps: rounds, settings }: Results): Row[] {
  if (rounds.length === 0) return [];
  return [
    {
      what: 'runs that do nothing, a second',
      peer: 'pg-boss, `send`, `fetch(1)`, `complete`',
      ratio: spread(rounds.map(one => one.ownPerS / one.barePerS)),
      target: '–',
      besides: `${settings.lanes} at once`,
    },
  ];
}

function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

function percent(shares: readonly number[]): string {
  return `${(100 * median(shares)).toFixed(1)} %`;
}
