/** Where `npm start` is hit, drawn from a seed: which process, in which phase of its life, when. */
import { PARTS, type Part } from '../../e2e/harness/local.ts';
import type { Random } from '../random.ts';

/** While the cluster is made; while the schema is; while it works; while it stops. */
type Phase = 'initdb' | 'migration' | 'work' | 'shutdown';

/** Observations of clients on a system at work. */
export const WORK_POINTS = [
  'session:reply',
  'upload:sent',
  'upload:answered',
  'event:run.started',
  'event:workspace.ready',
  'event:model.called',
  'event:tool.started',
  'event:tool.finished',
  'event:checkpoint.saved',
] as const;

export interface Point {
  readonly part: Part;
  readonly phase: Phase;
  /** At work: after this was seen. */
  readonly seen: (typeof WORK_POINTS)[number];
  /** From the beginning of the phase, or from what was seen. */
  readonly delayMs: number;
}

/** Of ten points, so many are not at work. */
const EVERY = 10;
const EDGES: readonly Phase[] = ['initdb', 'migration', 'shutdown'];
const DELAY_MAX_MS: Readonly<Record<Phase, number>> = {
  initdb: 600,
  migration: 1_200,
  work: 120,
  shutdown: 1_500,
};

/** Every part is hit equally often, and of ten points one lies in each of the edges. */
export function drawPoints(count: number, random: Random): Point[] {
  const points: Point[] = [];
  for (let first = 0; first < count; first += EVERY) {
    const phases = shuffle(
      [...EDGES, ...Array.from({ length: EVERY - EDGES.length }, (): Phase => 'work')],
      random,
    );
    const parts = shuffle(
      phases.map((_, index) => PARTS[index % PARTS.length]!),
      random,
    );
    for (const [index, phase] of phases.entries()) {
      points.push({
        part: parts[index]!,
        phase,
        seen: random.pick(WORK_POINTS),
        delayMs: random.whole(0, DELAY_MAX_MS[phase]),
      });
    }
  }
  return points.slice(0, count);
}

function shuffle<T>(values: readonly T[], random: Random): T[] {
  const rest = [...values];
  return values.map(() => rest.splice(random.whole(0, rest.length - 1), 1)[0]!);
}
