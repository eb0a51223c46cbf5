/** One diagram over time. */
export interface Panel {
  readonly title: string;
  /** In seconds. */
  readonly times: readonly number[];
  readonly lines: readonly { readonly name: string; readonly values: readonly number[] }[];
}

const WIDTH = 760;
const HEIGHT = 150;
const LEFT = 56;
const TOP = 40;
const GAP = 44;
const COLOURS = ['#0969da', '#cf222e', '#1a7f37', '#8250df'];

/** Panels under one another, as a small SVG picture that reads on light and dark pages. */
export function svg(title: string, panels: readonly Panel[]): string {
  const height = TOP + panels.length * (HEIGHT + GAP);
  const width = LEFT + WIDTH + 16;
  const body = panels.map((panel, at) => drawn(panel, TOP + at * (HEIGHT + GAP) + 16)).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>${title}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="${LEFT}" y="20" font-size="15">${title}</text>
${body}
</svg>
`;
}

function drawn(panel: Panel, top: number): string {
  const end = panel.times.at(-1) ?? 1;
  const most = Math.max(...panel.lines.flatMap((line) => line.values), 1e-9) * 1.05;
  const x = (time: number): string => (LEFT + (time / end) * WIDTH).toFixed(1);
  const y = (value: number): string => (top + HEIGHT - (value / most) * HEIGHT).toFixed(1);
  const ticks = steps(most).map(
    (value) =>
      `<path d="M${LEFT} ${y(value)}h${WIDTH}" stroke="#d0d7de"/><text x="${LEFT - 6}" y="${y(value)}" dy="4" text-anchor="end">${value}</text>`,
  );
  const seconds = steps(end).map(
    (time) => `<text x="${x(time)}" y="${top + HEIGHT + 15}" text-anchor="middle">${time} s</text>`,
  );
  const lines = panel.lines.map((line, at) => {
    const points = line.values.map((value, place) => `${x(panel.times[place] ?? 0)} ${y(value)}`).join(' ');
    return `<polyline points="${points}" fill="none" stroke="${COLOURS[at % COLOURS.length]}" stroke-width="1.3"/>`;
  });
  const names = panel.lines.map(
    (line, at) =>
      `<text x="${LEFT + WIDTH - at * 90}" y="${top - 6}" text-anchor="end" fill="${COLOURS[at % COLOURS.length]}">${line.name}</text>`,
  );
  return [`<text x="${LEFT}" y="${top - 6}">${panel.title}</text>`, ...ticks, ...seconds, ...lines, ...names].join(
    '\n',
  );
}

/** Round numbers up to `most`, four or so. */
function steps(most: number): readonly number[] {
  const raw = most / 4;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * size).find((one) => one >= raw) ?? raw;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, at) => Number((at * step).toPrecision(3)));
}
