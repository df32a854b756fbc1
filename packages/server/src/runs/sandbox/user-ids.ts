import { createHash } from 'node:crypto';
import type { SandboxOwner } from './sandbox.ts';

/** Numbers for users and groups of runs: `count` from `first` on. */
export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/**
 * The first that a machine allows is taken. No distribution, systemd or container engine assigns
 * numbers of the first; the second is for containers that have only 65,536, from where people
 * (1000 and on) hardly come to where Debian's own allocations begin (60000).
 */
const RANGES: readonly IdRange[] = [
  { first: 0x7000_0000, count: 0x0ffe_0000 },
  { first: 58_000, count: 1_000 },
];

/** The range that both maps (`/proc/self/uid_map`, `gid_map`) contain; undefined: neither. */
export function findIdRange(uidMap: string, gidMap: string): IdRange | undefined {
  return RANGES.find(range => contains(uidMap, range) && contains(gidMap, range));
}

/** Each line: first number inside, first outside, how many. */
function contains(map: string, { first, count }: IdRange): boolean {
  return map.split('\n').some(line => {
    const [inside, , length] = line.trim().split(/\s+/).map(Number);
    if (inside === undefined || length === undefined) return false;
    return inside <= first && first + count <= inside + length;
  });
}

/**
 * The user of a run, always the same. Two runs at once share one where their hashes meet: once in
 * 268 million, in the small range once in 1,000.
 */
export function ownerOf(runId: string, { first, count }: IdRange): SandboxOwner {
  const uid = first + (createHash('sha256').update(runId).digest().readUInt32BE(0) % count);
  return { uid, gid: uid };
}

export function isInRange(id: number, { first, count }: IdRange): boolean {
  return id >= first && id < first + count;
}
