/** For tests: audio files that are made to harm whatever parses them. */

const u8 = (...values: number[]) => Buffer.from(values);

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function box(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(8 + body.length), Buffer.from(type, 'latin1'), body]);
}

/** With version and flags in front. */
const fullBox = (type: string, flags: number, ...parts: Buffer[]) =>
  box(type, u32(flags), ...parts);

const zeros = (count: number) => Buffer.alloc(count);
const MATRIX = Buffer.concat([
  ...[u32(0x10000), zeros(12), u32(0x10000), zeros(12), u32(0x40000000)],
]);
const TIMESCALE = 8_000;

/** The tables of one track that announces `sampleCount` samples of `sampleBytes` (0: a table). */
function sampleTable(sampleCount: number, sampleBytes: number): Buffer {
  const entry = box(
    'ipcm',
    ...[zeros(6), u16(1), zeros(8), u16(1), u16(16), zeros(4), u32(TIMESCALE * 0x10000)],
    fullBox('pcmC', 0, u8(1, 16)),
  );
  return box(
    'stbl',
    fullBox('stsd', 0, u32(1), entry),
    fullBox(
      'stts',
      0,
      u32(sampleCount > 0 ? 1 : 0),
      ...(sampleCount > 0 ? [u32(sampleCount), u32(1)] : []),
    ),
    fullBox(
      'stsc',
      0,
      u32(sampleCount > 0 ? 1 : 0),
      ...(sampleCount > 0 ? [u32(1), u32(sampleCount), u32(1)] : []),
    ),
    fullBox('stsz', 0, u32(sampleBytes), u32(sampleCount)),
    fullBox('stco', 0, u32(sampleCount > 0 ? 1 : 0), ...(sampleCount > 0 ? [u32(48)] : [])),
  );
}

function movie(table: Buffer, ...more: Buffer[]): Buffer {
  const handler = fullBox('hdlr', 0, zeros(4), Buffer.from('soun'), zeros(12), u8(0));
  const dataReference = box('dinf', fullBox('dref', 0, u32(1), fullBox('url ', 1)));
  const media = box(
    'mdia',
    fullBox('mdhd', 0, zeros(8), u32(TIMESCALE), u32(0), u16(0x55c4), u16(0)),
    handler,
    box('minf', fullBox('smhd', 0, zeros(4)), dataReference, table),
  );
  const trackHeader = fullBox('tkhd', 7, zeros(8), u32(1), zeros(8), zeros(16), MATRIX, zeros(8));
  const movieHeader = fullBox(
    'mvhd',
    0,
    ...[zeros(8), u32(TIMESCALE), u32(0), u32(0x10000), u16(0x100), zeros(10), MATRIX],
    ...[zeros(24), u32(2)],
  );
  return box('moov', movieHeader, box('trak', trackHeader, media), ...more);
}

const FILE_TYPE = box('ftyp', Buffer.from('isom'), u32(0x200), Buffer.from('isomiso5'));

/** A fragmented MP4 of some 650 bytes; its one run announces `sampleCount` samples and no sizes. */
export function fragmentedMp4(sampleCount: number): Buffer {
  const defaults = fullBox('trex', 0, u32(1), u32(1), u32(1), u32(2), u32(0));
  // Base is the fragment; duration and size of all samples are given here.
  const header = fullBox('tfhd', 0x20018, u32(1), u32(1), u32(2));
  const time = fullBox('tfdt', 0, u32(0));
  const run = fullBox('trun', 0x1, u32(sampleCount), u32(0));
  return Buffer.concat([
    FILE_TYPE,
    movie(sampleTable(0, 0), box('mvex', defaults)),
    box('moof', fullBox('mfhd', 0, u32(1)), box('traf', header, time, run)),
    box('mdat', zeros(16)),
  ]);
}

/** A WebM that names so many places of parts which it does not have; a parser notes each. */
export function seekingWebm(placeCount: number): Buffer {
  const head = Buffer.from('1a45dfa387428284' + '7765626d' + '1853806701ffffffffffffff', 'hex');
  const size = Buffer.alloc(8);
  const place = Buffer.from('4dbb8853ab81ec53ac8100', 'hex');
  size.writeBigUInt64BE(BigInt(placeCount * place.length));
  size[0] = 1;
  const places = Buffer.alloc(placeCount * place.length, place);
  return Buffer.concat([head, Buffer.from('114d9b74', 'hex'), size, places]);
}

/** An MP4 whose boxes lie in one another, `depth` deep. */
export function nestedMp4(depth: number): Buffer {
  const heads: Buffer[] = [];
  for (let left = depth; left > 0; left--) heads.push(u32(8 * left), Buffer.from('moov'));
  return Buffer.concat([FILE_TYPE, ...heads]);
}
