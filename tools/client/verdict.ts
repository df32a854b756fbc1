import type { ConnectionReport } from './connection.ts';

const ROWS_MAX = 50;

/** The table of connections and one line with the verdict. */
export function verdict(
  reports: readonly ConnectionReport[],
  { interrupted }: { interrupted: boolean },
): { text: string; passed: boolean } {
  const failed = reports.filter(report => report.fault !== null);
  const passed = reports.length > 0 && failed.length === 0 && !interrupted;
  // Failed connections first: rows of healthy ones carry no information.
  const shown = [...failed, ...reports.filter(report => report.fault === null)].slice(0, ROWS_MAX);
  const hidden = reports.length - shown.length;
  const lines = [
    ...columns([HEAD, ...shown.map(row)]),
    ...(hidden > 0 ? [`… and ${hidden} more`] : []),
    '',
    ...revisions(reports),
    conclusion(reports.length, failed.length, interrupted),
  ];
  return { text: lines.join('\n'), passed };
}

const HEAD = [
  '#',
  'revision',
  'opened',
  'lived',
  'messages',
  'bytes',
  'pongs',
  'worst',
  'close',
  'verdict',
];

function row(report: ConnectionReport): string[] {
  const { openedAfterMs, lifeMs, pongs, pings, worstPongMs, closeCode, fault } = report;
  return [
    String(report.number),
    report.revision ?? '-',
    openedAfterMs === null ? '-' : `${Math.round(openedAfterMs)} ms`,
    `${(lifeMs / 1000).toFixed(1)} s`,
    String(report.messages),
    String(report.bytes),
    `${pongs}/${pings}`,
    pongs > 0 ? `${Math.round(worstPongMs)} ms` : '-',
    String(closeCode ?? '-'),
    fault ?? 'ok',
  ];
}

/** Left-aligned columns, two spaces apart. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, index) => Math.max(...rows.map(cells => cells[index]!.length)));
  return rows.map(cells =>
    cells
      .map((cell, index) => cell.padEnd(widths[index]!))
      .join('  ')
      .trimEnd(),
  );
}

function revisions(reports: readonly ConnectionReport[]): string[] {
  const groups = Map.groupBy(reports, report => report.revision ?? 'unknown');
  const texts = [...groups].map(([name, members]) => `${name} (${members.length})`);
  return reports.length > 0 ? [`Revisions: ${texts.join(', ')}`] : [];
}

function conclusion(count: number, failed: number, interrupted: boolean): string {
  const survived = `${count - failed} of ${count} connections lived`;
  if (interrupted) return `INTERRUPTED: ${survived} until then`;
  return failed === 0 && count > 0 ? `PASS: ${survived}` : `FAIL: ${survived}`;
}
