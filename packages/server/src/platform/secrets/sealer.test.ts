import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '../../kernel/index.ts';
import type { Database } from '../database/index.ts';
import { withDatabase } from '../database/testing.ts';
import { KEY_CACHE_MAX } from './data-keys.ts';
import { KEY_RELOAD_INTERVAL_MS, masterKeysFromText } from './master-key.ts';
import { createSealer } from './sealer.ts';
import type { Sealed, Sealer } from './secrets.ts';

let subjects = 0;
const newSubject = () => `ses_${subjects++}`;
const keyText = () => randomBytes(32).toString('base64');

/** A monotonic clock that is turned by hand. */
function handClock(): Clock & { turn(ms: number): void } {
  let nowMs = 0;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    turn(ms) {
      nowMs += ms;
    },
  };
}

withDatabase(open => {
  let database: Database;
  const text = { current: keyText() };
  const masterKeys = { load: async () => masterKeysFromText(text.current) };
  const seal = (sealer: Sealer, subject: string, plain: unknown) =>
    database.transaction(trx => sealer.seal(trx, subject, plain));
  const erase = (sealer: Sealer, subject: string) =>
    database.transaction(trx => sealer.erase(trx, subject));
  const newSealer = (clock?: Clock) => createSealer({ database, masterKeys, clock });

  beforeAll(async () => {
    database = await open();
  });

  it('does not open what was altered, in any byte', async () => {
    const sealer = newSealer();
    const subject = newSubject();
    const sealed = await seal(sealer, subject, 'a secret');
    for (let at = 0; at < sealed.ciphertext.length; at += 1) {
      const ciphertext = Uint8Array.from(sealed.ciphertext);
      ciphertext[at]! ^= 1;
      const opened = sealer.open(database.db, subject, { ...sealed, ciphertext });
      await expect(opened).rejects.toMatchObject({ code: 'internal' });
    }
    for (const length of [0, 1, 28, sealed.ciphertext.length - 1]) {
      const cut = { ...sealed, ciphertext: sealed.ciphertext.subarray(0, length) };
      await expect(sealer.open(database.db, subject, cut)).rejects.toThrow(/altered/);
    }
  });

  it("does not open one subject's text as another's", async () => {
    const sealer = newSealer();
    const [alice, bob] = [newSubject(), newSubject()];
    const sealed = await seal(sealer, alice, 'for alice');
    const bobs = await seal(sealer, bob, 'for bob');
    await expect(sealer.open(database.db, bob, sealed)).rejects.toThrow(/altered/);
    const relabelled = { ...sealed, keyId: bobs.keyId };
    await expect(sealer.open(database.db, bob, relabelled)).rejects.toThrow(/altered/);
    expect(await sealer.open(database.db, 'ses_other', sealed)).toBe(undefined);
  });

  it('opens with the key that was committed, not with one that was rolled back', async () => {
    const sealer = newSealer();
    const subject = newSubject();
    const undone = database.transaction(async trx => {
      const sealed = await sealer.seal(trx, subject, 'undone');
      expect(await sealer.open(trx, subject, sealed)).toBe('undone');
      throw new Error('no');
    });
    await expect(undone).rejects.toThrow('no');
    const sealed = await seal(sealer, subject, 'kept');
    expect(await sealer.open(database.db, subject, sealed)).toBe('kept');
  });

  it('does not open with a wrapped key moved to another row', async () => {
    const [alice, mallory] = [newSubject(), newSubject()];
    const sealed = await seal(newSealer(), alice, 'for alice');
    await seal(newSealer(), mallory, 'x');
    await sql`update subject_keys set wrapped = (select wrapped from subject_keys
      where subject = ${alice}) where subject = ${mallory}`.execute(database.db);
    const moved = await sql<{ key_id: string }>`select key_id from subject_keys
      where subject = ${mallory}`.execute(database.db);
    const asMallory = { ...sealed, keyId: moved.rows[0]!.key_id };
    const opened = newSealer().open(database.db, mallory, asMallory);
    await expect(opened).rejects.toThrow(/altered/);
    await expect(seal(newSealer(), mallory, 'y')).rejects.toMatchObject({ code: 'internal' });
  });

  it('opens what it sealed, whatever JSON it is, in another process too', async () => {
    const subject = newSubject();
    const sealer = newSealer();
    for (const plain of [{ text: '日本語', n: [1, null] }, '', 0, false, null]) {
      const sealed = await seal(sealer, subject, plain);
      expect(await sealer.open(database.db, subject, sealed)).toEqual(plain);
      expect(await newSealer().open(database.db, subject, sealed)).toEqual(plain);
    }
  });

  it('seals equal texts differently under one key per subject', async () => {
    const sealer = newSealer();
    const subject = newSubject();
    const [one, two] = [await seal(sealer, subject, 'same'), await seal(sealer, subject, 'same')];
    expect(one!.keyId).toBe(two!.keyId);
    expect(Buffer.from(one!.ciphertext)).not.toEqual(Buffer.from(two!.ciphertext));
    expect((await seal(sealer, newSubject(), 'same')).keyId).not.toBe(one!.keyId);
  });

  it('makes one key when two transactions seal first at once', async () => {
    const subject = newSubject();
    const sealed = await Promise.all([1, 2, 3].map(n => seal(newSealer(), subject, n)));
    expect(new Set(sealed.map(({ keyId }) => keyId)).size).toBe(1);
    expect(await newSealer().openAll(database.db, subject, sealed)).toEqual([1, 2, 3]);
  });

  it('never seals with a key that was rolled back', async () => {
    const sealer = newSealer();
    const subject = newSubject();
    const undone = database.transaction(async trx => {
      const sealed = await sealer.seal(trx, subject, 'x');
      await sealer.open(trx, subject, sealed);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    const sealed = await seal(sealer, subject, 'kept');
    expect(await newSealer().open(database.db, subject, sealed)).toBe('kept');
  });

  it('seals at once for a subject that is new, and lets others open it', async () => {
    const sealer = newSealer();
    const subject = newSubject();
    const [, sealed] = await database.transaction(trx =>
      Promise.all([sealer.create(trx, subject), sealer.seal(trx, subject, 'x')]),
    );
    expect(await newSealer().open(database.db, subject, sealed)).toBe('x');
    const again = database.transaction(trx => sealer.create(trx, subject));
    await expect(again).rejects.toMatchObject({ code: '23505' });
  });

  it('erases a key for good: here at once, elsewhere within the cache time', async () => {
    const clock = handClock();
    const [here, elsewhere] = [newSealer(clock), newSealer(clock)];
    const subject = newSubject();
    const sealed = await seal(here, subject, 'forget me');
    for (const sealer of [here, elsewhere]) {
      expect(await sealer.open(database.db, subject, sealed)).toBe('forget me');
    }
    await erase(here, subject);
    expect(await here.open(database.db, subject, sealed)).toBeUndefined();
    // As long as SECURITY.md promises.
    clock.turn(10_000);
    expect(await elsewhere.open(database.db, subject, sealed)).toBeUndefined();
    await expect(seal(elsewhere, subject, 'again')).rejects.toMatchObject({ code: 'gone' });
    await erase(here, subject);
    const { rows } = await sql`select wrapped, master_key_id from subject_keys
      where subject = ${subject}`.execute(database.db);
    expect(rows).toEqual([{ wrapped: null, master_key_id: null }]);
  });

  it('allows no key for a subject erased before it had one', async () => {
    const subject = newSubject();
    await erase(newSealer(), subject);
    await expect(seal(newSealer(), subject, 'x')).rejects.toMatchObject({ code: 'gone' });
    const stray: Sealed = { keyId: 'dk_none', ciphertext: new Uint8Array(40) };
    expect(await newSealer().open(database.db, subject, stray)).toBeUndefined();
  });

  it('keeps a bounded number of keys', async () => {
    const sealer = newSealer();
    const sealed: [string, Sealed][] = [];
    await database.transaction(
      async trx => {
        for (let n = 0; n <= KEY_CACHE_MAX; n += 1) {
          const subject = newSubject();
          sealed.push([subject, await sealer.seal(trx, subject, n)]);
        }
      },
      { timeoutMs: 60_000 },
    );
    for (const [n, [subject, one]] of sealed.entries()) {
      expect(await sealer.open(database.db, subject, one)).toBe(n);
    }
    // Rows deleted behind the cache show which keys it still has.
    const ids = sql.join(sealed.map(([id]) => id));
    await sql`delete from subject_keys where subject in (${ids})`.execute(database.db);
    const [oldest, newest] = [sealed[0]!, sealed.at(-1)!];
    expect(await sealer.open(database.db, ...oldest)).toBeUndefined();
    expect(await sealer.open(database.db, ...newest)).toBe(KEY_CACHE_MAX);
  });

  describe('rotation', () => {
    it('opens what an earlier key wrapped, and re-wraps until the earlier key may go', async () => {
      const former = text.current;
      const old = await Promise.all(
        [1, 2, 3].map(async n => {
          const subject = newSubject();
          return { n, subject, sealed: await seal(newSealer(), subject, n) };
        }),
      );
      text.current = `${keyText()}\n${former}`;
      const sealer = newSealer();
      for (const { n, subject, sealed } of old) {
        expect(await sealer.open(database.db, subject, sealed)).toBe(n);
      }
      const before = await sealer.rewrap();
      expect(before.rewrapped).toBeGreaterThanOrEqual(3);
      // The one that an earlier test moved to another row.
      expect(before.unreadable).toBe(1);
      expect(await sealer.rewrap()).toEqual({ rewrapped: 0, unreadable: 1 });
      text.current = text.current.split('\n')[0]!;
      for (const { n, subject, sealed } of old) {
        expect(await newSealer().open(database.db, subject, sealed)).toBe(n);
      }
    });

    it('takes up a new key when it meets one, and reports one that is missing', async () => {
      const former = text.current;
      const clock = handClock();
      const early = newSealer(clock);
      await seal(early, newSubject(), 'x');
      text.current = `${keyText()},${former}`;
      const subject = newSubject();
      const sealed = await seal(newSealer(), subject, 'sealed by a sibling');
      const missing = early.open(database.db, subject, sealed);
      await expect(missing).rejects.toMatchObject({ code: 'unavailable' });
      clock.turn(KEY_RELOAD_INTERVAL_MS);
      expect(await early.open(database.db, subject, sealed)).toBe('sealed by a sibling');
    });

    it('keeps working with the keys it has when the source is away', async () => {
      let away = true;
      const clock = handClock();
      const source = {
        async load() {
          if (away) throw new Error('no route to the vault of hunter2');
          return masterKeysFromText(text.current);
        },
      };
      const sealer = createSealer({ database, masterKeys: source, clock });
      const subject = newSubject();
      const refused = seal(sealer, subject, 'x');
      await expect(refused).rejects.toMatchObject({ code: 'unavailable' });
      await expect(refused).rejects.not.toThrow(/hunter2/);
      away = false;
      const sealed = await seal(sealer, subject, 'x');
      away = true;
      clock.turn(KEY_RELOAD_INTERVAL_MS);
      expect(await sealer.open(database.db, subject, sealed)).toBe('x');
    });
  });
});
