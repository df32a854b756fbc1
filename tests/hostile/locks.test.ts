/**
 * Locks against an upstream that understands whatever it can (`locks/lenient-upstream.ts`): however
 * a client writes it, no locked part of a session ever changes.
 *
 * `HOSTILE_MESSAGES` messages (20,000; `npm run test:hostile`: a million), seeded (`SEED`).
 */
import { describe, expect, it } from 'vitest';
import { KnownEvents } from '../../packages/server/src/realtime/known-event.ts';
import { lockFilter } from '../../packages/server/src/realtime/locked-config.ts';
import { previewHooks } from '../../packages/server/src/realtime/preview/translate.ts';
import { Random } from '../../packages/server/src/realtime/relay/fuzz-streams.ts';
import type { RelayGuard } from '../../packages/server/src/realtime/relay/pumps.ts';
import { CONFIG, HARMLESS_EVENTS, makeAttack, TECHNIQUES } from './locks/attacks.ts';
import { effectsOf } from './locks/lenient-upstream.ts';
import { Line } from './locks/line.ts';

const MESSAGES = Number(process.env.HOSTILE_MESSAGES ?? 20_000);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000_007);
const MESSAGES_PER_SESSION = 200;
/** Within so many, each technique stands alone in one that an upstream understands. */
const CONTROL_MESSAGES = 20_000;

const LOCKS = [
  ['instructions'],
  ['tools'],
  ['voice'],
  ['model'],
  ['turn_detection'],
  ['instructions', 'tools'],
  ['voice', 'turn_detection', 'model'],
  ['all'],
];
const known = new KnownEvents();

function guardOf(locked: readonly string[], isPreview: boolean): RelayGuard {
  return {
    filterClientMessage: lockFilter({ config: CONFIG, locked }, known)!,
    ...(isPreview && previewHooks(() => undefined)),
  };
}

describe('a lenient upstream behind locks', () => {
  it(`receives no change of a locked part in ${MESSAGES} messages, seed ${SEED}`, {
    timeout: 3_600_000,
  }, () => {
    console.log(`locks: SEED=${SEED} HOSTILE_MESSAGES=${MESSAGES}`);
    const random = new Random(SEED);
    let passed = 0;
    for (let sent = 0; sent < MESSAGES; ) {
      const locked = random.pick(LOCKS);
      const line = new Line(guardOf(locked, random.chance(30)));
      for (let count = 0; count < MESSAGES_PER_SESSION && !line.isOver; count++, sent++) {
        const { text, techniques } = makeAttack(random);
        for (const received of line.send(text, random)) {
          passed++;
          const effects = effectsOf(received, { config: CONFIG, locked });
          expect(effects, `${techniques.join(', ')}: ${text} → ${received}`).toEqual([]);
        }
      }
    }
    console.log(`locks: ${passed} messages passed`);
    // Disguises can make an attack harmless; a filter that lets nothing through proves nothing.
    expect(passed).toBeGreaterThan(MESSAGES / 1_000);
  });

  it('would understand each way of writing, without them', () => {
    const random = new Random(SEED);
    const understood = new Set<string>();
    for (let made = 0; made < CONTROL_MESSAGES && understood.size < TECHNIQUES.length; made++) {
      const { text, techniques } = makeAttack(random);
      const [technique, ...others] = techniques;
      if (others.length > 0 || understood.has(technique!)) continue;
      const effects = effectsOf(text, { config: CONFIG, locked: ['all'] });
      if (effects.length > 0) understood.add(technique!);
    }
    expect([...understood].sort()).toEqual([...TECHNIQUES].sort());
  });

  it.each(LOCKS.map(locked => [locked.join(', '), locked] as const))(
    'gets what stock clients send, with %s locked',
    (_, locked) => {
      const line = new Line(guardOf(locked, false));
      for (const event of HARMLESS_EVENTS) {
        const text = JSON.stringify(event);
        expect(line.send(text)).toEqual([text]);
      }
    },
  );
});
