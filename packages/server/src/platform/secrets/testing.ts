import { generateKeySync } from 'node:crypto';
import { openBytes, sealBytes } from './sealed-stream.ts';
import type { Sealer } from './secrets.ts';

/** For tests without a database: seals streams as the server does, all under one key. */
export function oneKeySealer(): Pick<Sealer, 'sealStream' | 'openStream'> {
  const key = generateKeySync('aes', { length: 256 });
  const keyOf = (subject: string, keyId: string) => ({ subject, keyId, key });
  return {
    sealStream: (subject, name, plain) => sealBytes(keyOf(subject, 'dk_test'), name, plain),
    openStream: (name, sealed) =>
      openBytes(name, sealed, async (subject, keyId) => keyOf(subject, keyId)),
  };
}
