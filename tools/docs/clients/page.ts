import { createRequire } from 'node:module';
import { code, heading, page, table } from '../markdown.ts';
import { type Cells, readCells, type Verdicts } from './cells.ts';
import { KINDS, OPENED } from './kinds.ts';
import { parametersOf, SECTIONS, type Section, type SectionName } from './sections.ts';

/** Of what has no cell. */
const SHOWN = 20;

/** `docs/reference/clients.md`. Throws where the typings name something that has no cell. */
export function renderClients(cells: Cells = readCells()): string {
  const sections = Object.entries(SECTIONS) as [SectionName, Section][];
  const missing = sections.flatMap(([name, section]) => missingCells(name, section, cells));
  if (missing.length > 0) {
    const shown = missing.slice(0, SHOWN).join(', ');
    throw new Error(
      `clients: ${missing.length} without a cell: ${shown}. Run ` +
        'CLIENTS_UPDATE=1 npm run test:clients, and see what its difference says.',
    );
  }
  return page([
    ...heading('What stock clients say and hear', '`tools/docs/clients`'),
    ...INTRODUCTION,
    ...sessionTypes(),
    ...sections.flatMap(([name, section]) => renderSection(name, section, cells)),
  ]);
}

/** As this repository pins them. */
const { devDependencies: versions } = createRequire(import.meta.url)('../../../package.json') as {
  devDependencies: Readonly<Record<string, string>>;
};

const AGENTS = '@openai/agents-realtime';
const VERDICTS: Readonly<Record<string, string>> = {
  passed: 'arrives as it was sent',
  translated: 'arrives in the words of the other protocol',
  'left out':
    'the rest arrives; a client is told so (`holdfast.warning`), and a beta client is not shown ' +
    'what its protocol has no field for',
  'not shown': 'the beta has no such event',
  'configures nothing': 'has one value only, or is the echo of an answer',
  refused: 'an error with this message; `…` stands for the name of the parameter',
};

const INTRODUCTION = [
  `Every event and every parameter that the typings of \`openai\` ${versions.openai} name`,
  `(\`${AGENTS}\` ${versions[AGENTS]} sends and reads the same) went once through a real`,
  'server, alone, between a client and a provider that keeps what it gets.',
  '`npm run test:clients` repeats that and fails at any difference; a new version of a client that',
  'names more fails `npm run check` until what becomes of it was seen.',
  '',
  ...table(['verdict', 'meaning'], Object.entries(VERDICTS)),
  '',
  'A number behind a verdict counts parameters, the event without any as one.',
  '',
];

/** Which types of sessions the clients open. */
function sessionTypes(): string[] {
  const rows = Object.entries(OPENED).map(([client, row]) => [
    client,
    ...KINDS.map(kind => row[kind]),
  ]);
  return ['## What clients open', '', ...table(['', ...KINDS], rows), ''];
}

function missingCells(name: SectionName, section: Section, cells: Cells): string[] {
  return [...section.rows].flatMap(([row, places]) =>
    section.columns.flatMap(column => {
      const cell = cells[name]?.[row]?.[column] ?? {};
      const known = new Set(Object.values(cell).flat());
      const lacking = parametersOf(name, places).filter(path => !known.has(path));
      return lacking.map(path => `${row}${path === '' ? '' : ` ${path}`} (${column})`);
    }),
  );
}

function renderSection(
  name: SectionName,
  { title, rows, columns }: Section,
  cells: Cells,
): string[] {
  const lines = [...rows.keys()].map(row => [
    code(row),
    ...columns.map(column => renderCell(cells[name]![row]![column]!)),
  ]);
  return [`## ${title}`, '', ...table(['', ...columns], lines), ''];
}

/** Verdicts with their parameters, but for the one that holds for most. */
function renderCell(verdicts: Verdicts): string {
  const sorted = Object.entries(verdicts).sort(([, a], [, b]) => b.length - a.length);
  return sorted
    .map(([verdict, paths], index) => {
      const count = `${verdict} (${paths.length})`;
      const named = paths.filter(path => path !== '').map(code);
      return index === 0 || named.length === 0 ? count : `${count}: ${named.join(', ')}`;
    })
    .join('; ');
}
