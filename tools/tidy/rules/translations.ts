import { posix } from 'node:path';
import type { Fault } from '../fault.ts';
import type { Project } from '../project.ts';

const LANGUAGES = ['en', 'ja'] as const;
const PLACEHOLDER = /\{\{\s*([\w.]+)/g;

/** Every text of the console exists in both languages, with the same placeholders. */
export function* equalTranslations({ files }: Project): Generator<Fault> {
  const folders = new Set(
    files
      .filter(({ path }) => /^packages\/console\/src\/.*\/(en|ja)\.json$/.test(path))
      .map(({ path }) => posix.dirname(path)),
  );
  for (const folder of folders) {
    const [en, ja] = LANGUAGES.map(language => {
      const file = files.find(({ path }) => path === `${folder}/${language}.json`);
      return file ? flatten(JSON.parse(file.text)) : new Map<string, string>();
    });
    yield* compare(folder, en!, ja!);
  }
}

function* compare(
  folder: string,
  en: ReadonlyMap<string, string>,
  ja: ReadonlyMap<string, string>,
): Generator<Fault> {
  for (const key of new Set([...en.keys(), ...ja.keys()])) {
    const missing = !en.has(key) ? 'en' : !ja.has(key) ? 'ja' : undefined;
    if (missing !== undefined) {
      const file = `${folder}/${missing}.json`;
      yield { rule: 'translation', file, message: `lacks ${key}` };
    } else if (placeholders(en.get(key)!) !== placeholders(ja.get(key)!)) {
      const file = `${folder}/ja.json`;
      yield { rule: 'translation', file, message: `${key} has other placeholders than in en.json` };
    }
  }
}

/** Keys as paths. Plural forms count as one: languages have different numbers of them. */
function flatten(value: unknown, path = ''): Map<string, string> {
  const result = new Map<string, string>();
  for (const [name, inner] of Object.entries(value as Record<string, unknown>)) {
    const key = path === '' ? name : `${path}.${name}`;
    if (typeof inner === 'object' && inner !== null) {
      for (const [deep, text] of flatten(inner, key)) result.set(deep, text);
    } else {
      result.set(key.replace(/_(zero|one|two|few|many|other)$/, '_#'), String(inner));
    }
  }
  return result;
}

function placeholders(text: string): string {
  const names = [...text.matchAll(PLACEHOLDER)].map(match => match[1]);
  return [...new Set(names)].sort().join();
}
