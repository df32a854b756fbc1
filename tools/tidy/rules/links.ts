import { posix } from 'node:path';
import type { Fault } from '../fault.ts';
import type { Project } from '../project.ts';

const LINK = /!?\[[^\]]*\]\(\s*<?([^)>\s]+)>?[^)]*\)|<img[^>]+src="([^"]+)"/g;
const FENCE = /^(```|~~~)[\s\S]*?^\1/gm;

/** Pictures and documents that a page in the repository points to exist. */
export function* linksExist({ files }: Project): Generator<Fault> {
  const known = new Set(files.map(({ path }) => path));
  const folders = new Set(files.flatMap(({ path }) => parents(path)));
  for (const { path, text } of files) {
    if (!path.endsWith('.md')) continue;
    const prose = text.replace(FENCE, fence => fence.replaceAll(/[^\n]/g, ' '));
    for (const match of prose.matchAll(LINK)) {
      const target = (match[1] ?? match[2]!).replace(/[#?].*$/, '');
      if (target === '' || /^[a-z]+:/i.test(target)) continue;
      const base = target.startsWith('/') ? '' : posix.dirname(path);
      const file = posix.normalize(posix.join(base, decodeURI(target))).replace(/^\/|\/$/g, '');
      if (known.has(file) || folders.has(file)) continue;
      const line = text.slice(0, match.index).split('\n').length;
      yield { rule: 'link', file: path, line, message: `${target} does not exist` };
    }
  }
}

function parents(path: string): string[] {
  const folder = posix.dirname(path);
  return folder === '.' ? ['.'] : [folder, ...parents(folder)];
}
