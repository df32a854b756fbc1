import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { withDatabase } from '../database/testing.ts';
import { checkMasterKeys } from './data-keys.ts';
import { masterKeysFromText } from './master-key.ts';
import { createSealer } from './sealer.ts';

const keyText = () => randomBytes(32).toString('base64');
const source = (text: string) => ({ load: async () => masterKeysFromText(text) });

withDatabase(open => {
  it('refuses a key that opens nothing, and names keys that are missing', async () => {
    const database = await open();
    const [first, second] = [keyText(), keyText()];
    expect(await checkMasterKeys(database, source(first))).toEqual([]);
    const seal = async (text: string, subject: string) => {
      const sealer = createSealer({ database, masterKeys: source(text) });
      await database.transaction(trx => sealer.seal(trx, subject, 'x'));
    };
    await seal(first, 'ses_a');
    expect(await checkMasterKeys(database, source(first))).toEqual([]);
    await expect(checkMasterKeys(database, source(second))).rejects.toThrow(/another master key/);
    await seal(second, 'ses_b');
    expect(await checkMasterKeys(database, source(second))).toHaveLength(1);
    expect(await checkMasterKeys(database, source(`${second},${first}`))).toEqual([]);
  });
});
