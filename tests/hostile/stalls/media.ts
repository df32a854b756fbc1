import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../../packages/server/src/realtime/relay/fuzz-streams.ts';
import { fragmentedMp4, nestedMp4 } from '../../../packages/server/src/recordings/testing-media.ts';

const FIXTURES = join(import.meta.dirname, '../../../packages/server/src/recordings/fixtures');
const FORMATS = ['wav', 'webm', 'ogg', 'mp4'];
const EDGES = [0, 1, 0x7f_ff_ff_ff, 0x80_00_00_00, 0xff_ff_ff_ff];
/** Where containers keep their counts and sizes. */
const HEAD_BYTES = 4_096;

export interface HostileFile {
  readonly name: string;
  readonly format: string;
  readonly bytes: Buffer;
}

/** Files that are made to harm a parser, and `count` real ones that were damaged by chance. */
export function* hostileMedia(random: Random, count: number): Generator<HostileFile> {
  const file = (name: string, format: string, bytes: Buffer) => ({ name, format, bytes });
  yield file('four billion samples', 'mp4', fragmentedMp4(0xff_ff_ff_ff));
  const claimed = 4_000_000;
  const padded = Buffer.concat([fragmentedMp4(claimed), Buffer.alloc(claimed)]);
  yield file('four million samples', 'mp4', padded);
  yield file('boxes in boxes', 'mp4', nestedMp4(100_000));
  const pages = readFileSync(join(FIXTURES, 'tone.ogg'));
  yield file('one stream a hundred times', 'ogg', Buffer.concat(Array(100).fill(pages)));
  for (let made = 0; made < count; made++) {
    const format = random.pick(FORMATS);
    const bytes = readFileSync(join(FIXTURES, `tone.${format}`));
    for (let changes = 1 + random.below(6); changes > 0; changes--) damage(bytes, random);
    yield file(`damaged ${format} ${made}`, format, bytes);
  }
}

function damage(bytes: Buffer, random: Random): void {
  const at = random.below(
    Math.min(bytes.length, random.chance(70) ? HEAD_BYTES : bytes.length) - 8,
  );
  const edge = random.pick(EDGES);
  random.pick([
    () => bytes.writeUInt8(random.below(256), at),
    () => bytes.writeUInt32BE(edge, at),
    () => bytes.writeUInt32LE(edge, at),
  ])();
}
