import { type Box, boxes, boxIn } from './boxes.ts';
import type { Bytes } from './bytes.ts';
import { type Extent, Fault, Timeline } from './extent.ts';

/**
 * MP4: its index says where each sample lies and how long it lasts; what lies behind the end of the
 * file is not there. Recorders that stream write an index per fragment; recordings that were joined
 * have several of the first kind.
 */
const UINT32_MAX = 0xff_ff_ff_ff;
const TRACKS_MAX = 64;
const INDEX = 'its index (moov), without which nothing of it can be played';
const TYPE = /^[\x20-\x7e\xa9]{4}$/;

const TFHD = { base: 1, description: 2, duration: 8, size: 0x10 } as const;
const TRUN = { offset: 1, firstFlags: 4, duration: 0x100, size: 0x200, flags: 0x400, time: 0x800 };

interface Track {
  readonly id: number;
  readonly timescale: number;
  readonly saidS: number;
  readonly table: Box | undefined;
  defaultDuration: number;
  defaultSize: number;
}

interface Held {
  readonly seconds: number;
  /** Samples that the index names and the file does not hold. */
  readonly isShort: boolean;
}

export function isMp4(bytes: Bytes): boolean {
  return ['ftyp', 'styp', 'moov', 'moof', 'mdat', 'wide', 'free'].includes(bytes.text(4, 4));
}

export function readMp4(bytes: Bytes): Extent {
  const timeline = new Timeline();
  let tracks: Track[] = [];
  let headerDurationS = 0;
  let isCut = false;
  let end = 0;
  for (const box of boxes(bytes, 0, bytes.sizeBytes)) {
    if (!TYPE.test(box.type)) break;
    end = box.saidEnd;
    if (box.type === 'moov') {
      if (end > bytes.sizeBytes) throw new Fault(`is cut within ${INDEX}.`);
      timeline.restart();
      tracks = tracksOf(bytes, box);
      headerDurationS += Math.max(0, saidIn(bytes, box), ...tracks.map(track => track.saidS));
      for (const track of tracks) {
        const held = heldByTable(bytes, track);
        isCut ||= held.isShort;
        if (held.seconds > 0) timeline.add(0, held.seconds);
      }
    }
    if (box.type === 'moof') isCut = addFragment(bytes, box, { tracks, timeline }) || isCut;
  }
  if (tracks.length === 0) throw noTracks(bytes);
  isCut ||= end > bytes.sizeBytes;
  const { durationS } = timeline;
  return { durationS, headerDurationS: headerDurationS > 0 ? headerDurationS : null, isCut };
}

function noTracks(bytes: Bytes): Fault {
  const top = [...boxes(bytes, 0, bytes.sizeBytes)].map(box => box.type);
  return top.includes('moov') ? new Fault('holds no audio.') : new Fault(`is cut before ${INDEX}.`);
}

/** Duration in the movie's header, or in that of its fragments. */
function saidIn(bytes: Bytes, movie: Box): number {
  const { duration, timescale } = timesOf(bytes, boxIn(bytes, movie, 'mvhd'));
  const extended = boxIn(bytes, boxIn(bytes, movie, 'mvex'), 'mehd');
  const isLong = extended !== undefined && bytes.uint32(extended.body) >>> 24 === 1;
  const at = (extended?.body ?? 0) + 4;
  const whole = extended === undefined ? 0 : isLong ? bytes.uint64(at) : bytes.uint32(at);
  return timescale > 0 ? Math.max(duration, whole) / timescale : 0;
}

/** `mvhd` and `mdhd` begin alike. */
function timesOf(bytes: Bytes, box: Box | undefined): { timescale: number; duration: number } {
  if (box === undefined) return { timescale: 0, duration: 0 };
  const isLong = bytes.uint32(box.body) >>> 24 === 1;
  const timescale = bytes.uint32(box.body + (isLong ? 20 : 12));
  const said = isLong ? bytes.uint64(box.body + 24) : bytes.uint32(box.body + 16);
  const isKnown = said < UINT32_MAX || (isLong && said < Number.MAX_SAFE_INTEGER);
  return { timescale, duration: isKnown ? said : 0 };
}

/** The tracks with sound. */
function tracksOf(bytes: Bytes, movie: Box): Track[] {
  const tracks: Track[] = [];
  const defaults = new Map<number, { duration: number; size: number }>();
  const extended = boxIn(bytes, movie, 'mvex');
  for (const box of extended ? boxes(bytes, extended.body, extended.end) : []) {
    if (box.type !== 'trex' || defaults.size >= TRACKS_MAX) continue;
    const [duration, size] = [bytes.uint32(box.body + 12), bytes.uint32(box.body + 16)];
    defaults.set(bytes.uint32(box.body + 4), { duration, size });
  }
  for (const box of boxes(bytes, movie.body, movie.end)) {
    if (box.type !== 'trak' || tracks.length >= TRACKS_MAX) continue;
    const media = boxIn(bytes, box, 'mdia');
    const handler = boxIn(bytes, media, 'hdlr');
    const header = boxIn(bytes, box, 'tkhd');
    if (handler === undefined || bytes.text(handler.body + 8, 4) !== 'soun') continue;
    const isLong = header !== undefined && bytes.uint32(header.body) >>> 24 === 1;
    const id = header === undefined ? 0 : bytes.uint32(header.body + (isLong ? 20 : 12));
    const { timescale, duration } = timesOf(bytes, boxIn(bytes, media, 'mdhd'));
    if (timescale === 0) continue;
    const of = defaults.get(id);
    tracks.push({
      id,
      timescale,
      saidS: duration / timescale,
      table: boxIn(bytes, boxIn(bytes, media, 'minf'), 'stbl'),
      defaultDuration: of?.duration ?? 0,
      defaultSize: of?.size ?? 0,
    });
  }
  return tracks;
}

/** What the index in the movie's header names, as far as the file holds it. */
function heldByTable(bytes: Bytes, { table, timescale }: Track): Held {
  const sizes = boxIn(bytes, table, 'stsz');
  const times = boxIn(bytes, table, 'stts');
  const announced = sizes === undefined ? 0 : bytes.uint32(sizes.body + 8);
  const held = Math.min(announced, heldSamples(bytes, table, announced));
  let left = held;
  let units = 0;
  const runs = times === undefined ? 0 : bytes.uint32(times.body + 4);
  for (let run = 0; run < runs && left > 0; run++) {
    const at = times!.body + 8 + run * 8;
    if (at + 8 > times!.end) break;
    const samples = Math.min(left, bytes.uint32(at));
    units += samples * bytes.uint32(at + 4);
    left -= samples;
  }
  return { seconds: units / timescale, isShort: held < announced };
}

/** How many samples lie before the end of the file, chunk after chunk. */
function heldSamples(bytes: Bytes, table: Box | undefined, announced: number): number {
  const places = boxIn(bytes, table, 'stco') ?? boxIn(bytes, table, 'co64');
  const groups = boxIn(bytes, table, 'stsc');
  const sizes = boxIn(bytes, table, 'stsz');
  if (places === undefined || groups === undefined || sizes === undefined) return 0;
  const isLong = places.type === 'co64';
  const chunks = bytes.uint32(places.body + 4);
  const groupCount = bytes.uint32(groups.body + 4);
  const equalBytes = bytes.uint32(sizes.body + 4);
  let sample = 0;
  let group = 0;
  for (let chunk = 0; chunk < chunks && sample < announced; chunk++) {
    const placeAt = places.body + 8 + chunk * (isLong ? 8 : 4);
    if (placeAt >= places.end) break;
    const groupAt = (index: number) => groups.body + 8 + index * 12;
    if (group + 1 < groupCount && bytes.uint32(groupAt(group + 1)) <= chunk + 1) group += 1;
    const perChunk = Math.min(bytes.uint32(groupAt(group) + 4), announced - sample);
    let at = isLong ? bytes.uint64(placeAt) : bytes.uint32(placeAt);
    if (equalBytes > 0) {
      const fitting = Math.floor(Math.max(0, bytes.sizeBytes - at) / equalBytes);
      sample += Math.min(perChunk, fitting);
      if (fitting < perChunk) return sample;
      continue;
    }
    for (let index = 0; index < perChunk; index++) {
      at += bytes.uint32(sizes.body + 12 + sample * 4);
      if (at > bytes.sizeBytes) return sample;
      sample += 1;
    }
  }
  return sample;
}

/** Adds what a fragment holds; answers whether some of it is missing. */
function addFragment(
  bytes: Bytes,
  fragment: Box,
  { tracks, timeline }: { tracks: readonly Track[]; timeline: Timeline },
): boolean {
  let isShort = false;
  for (const part of boxes(bytes, fragment.body, fragment.end)) {
    if (part.type !== 'traf') continue;
    const header = boxIn(bytes, part, 'tfhd');
    const track = tracks.find(one => header && one.id === bytes.uint32(header.body + 4));
    if (header === undefined || track === undefined) continue;
    const time = boxIn(bytes, part, 'tfdt');
    const isLong = time !== undefined && bytes.uint32(time.body) >>> 24 === 1;
    const at = (time?.body ?? 0) + 4;
    const startS =
      time === undefined
        ? timeline.durationS
        : (isLong ? bytes.uint64(at) : bytes.uint32(at)) / track.timescale;
    const runs = heldByRuns(bytes, { fragment, part, header, track });
    isShort ||= runs.isShort;
    if (runs.seconds > 0) timeline.add(startS, startS + runs.seconds);
  }
  return isShort;
}

function heldByRuns(
  bytes: Bytes,
  of: { fragment: Box; part: Box; header: Box; track: Track },
): Held {
  const { header, track } = of;
  const flags = bytes.uint32(header.body) & 0xff_ff_ff;
  let field = header.body + 8;
  const next = (isThere: number, sizeBytes = 4): number | undefined => {
    if (!isThere) return undefined;
    field += sizeBytes;
    return sizeBytes === 8 ? bytes.uint64(field - 8) : bytes.uint32(field - 4);
  };
  const base = next(flags & TFHD.base, 8) ?? of.fragment.at;
  next(flags & TFHD.description);
  const defaultDuration = next(flags & TFHD.duration) ?? track.defaultDuration;
  const defaultSize = next(flags & TFHD.size) ?? track.defaultSize;
  let units = 0;
  let at = of.fragment.end + 8;
  for (const run of boxes(bytes, of.part.body, of.part.end)) {
    if (run.type !== 'trun') continue;
    const has = bytes.uint32(run.body) & 0xff_ff_ff;
    const count = bytes.uint32(run.body + 4);
    let entry = run.body + 8;
    if (has & TRUN.offset) {
      at = base + (bytes.uint32(entry) | 0);
      entry += 4;
    }
    if (has & TRUN.firstFlags) entry += 4;
    const fields = [TRUN.duration, TRUN.size, TRUN.flags, TRUN.time].filter(one => has & one);
    const sizeIndex = fields.indexOf(TRUN.size);
    for (let index = 0; index < count; index++) {
      const duration = has & TRUN.duration ? bytes.uint32(entry) : defaultDuration;
      at += sizeIndex < 0 ? defaultSize : bytes.uint32(entry + sizeIndex * 4);
      if (at > bytes.sizeBytes) return { seconds: units / track.timescale, isShort: true };
      units += duration;
      entry += fields.length * 4;
    }
  }
  return { seconds: units / track.timescale, isShort: false };
}
