/** Draws horizontal bars with their spread as a self-contained SVG, for light and dark pages. */

export interface Bar {
  readonly group: string;
  readonly label: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

const WIDTH = 760;
const LABEL_WIDTH = 170;
const VALUE_WIDTH = 60;
const BAR_HEIGHT = 22;
const BAR_GAP = 8;
const GROUP_HEIGHT = 34;
const TITLE_HEIGHT = 40;
const BOTTOM = 34;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2937 }
  .title { font-weight: 600; font-size: 16px } .group { font-weight: 600 }
  .bar { fill: #94a3b8 } .ours { fill: #2563eb } .spread { stroke: #1f2937; stroke-width: 1.5 }
  .grid { stroke: #cbd5e1 } .one { stroke: #64748b; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e5e7eb } .bar { fill: #64748b } .ours { fill: #60a5fa }
    .spread { stroke: #e5e7eb } .grid { stroke: #374151 } .one { stroke: #9ca3af }
  }`;

export function drawChart(title: string, bars: readonly Bar[]): string {
  const groups = [...new Set(bars.map(bar => bar.group))];
  const most = Math.ceil(Math.max(...bars.map(bar => bar.high)) * 4) / 4;
  const scale = (value: number) => LABEL_WIDTH + (value / most) * plotWidth;
  const parts: string[] = [];
  let y = TITLE_HEIGHT;
  for (const group of groups) {
    parts.push(`<text class="group" x="0" y="${y + 20}">${group}</text>`);
    y += GROUP_HEIGHT;
    for (const bar of bars.filter(each => each.group === group)) {
      parts.push(drawBar(bar, y, scale));
      y += BAR_HEIGHT + BAR_GAP;
    }
  }
  const grid = drawGrid(most, y, scale);
  const height = y + BOTTOM;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${title}</title><style>${STYLE}</style>
<text class="title" x="0" y="20">${title}</text>
${grid}
${parts.join('\n')}
</svg>
`;
}

const plotWidth = WIDTH - LABEL_WIDTH - VALUE_WIDTH;

function drawBar(bar: Bar, y: number, scale: (value: number) => number): string {
  const middle = y + BAR_HEIGHT / 2;
  const kind = bar.label.startsWith('Holdfast') ? 'bar ours' : 'bar';
  const [from, to, low, high] = [0, bar.median, bar.low, bar.high].map(scale) as [
    number,
    number,
    number,
    number,
  ];
  return [
    `<text x="${LABEL_WIDTH - 10}" y="${middle + 4}" text-anchor="end">${bar.label}</text>`,
    `<rect class="${kind}" x="${from}" y="${y}" ` +
      `width="${(to - from).toFixed(1)}" height="${BAR_HEIGHT}"/>`,
    `<path class="spread" d="M${low.toFixed(1)} ${middle}H${high.toFixed(1)}"/>`,
    `<text x="${(high + 8).toFixed(1)}" y="${middle + 4}">${bar.median.toFixed(2)}</text>`,
  ].join('');
}

function drawGrid(most: number, bottom: number, scale: (value: number) => number): string {
  const lines: string[] = [];
  for (let value = 0; value <= most; value += 0.5) {
    const x = scale(value).toFixed(1);
    const kind = value === 1 ? 'one' : 'grid';
    lines.push(`<path class="${kind}" d="M${x} ${TITLE_HEIGHT + 8}V${bottom}"/>`);
    lines.push(`<text x="${x}" y="${bottom + 18}" text-anchor="middle">${value}</text>`);
  }
  return lines.join('\n');
}
