/** A chart of bars in groups, as SVG that is readable on a light and on a dark page. */
export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly groups: readonly Group[];
  /** Lengths go by the logarithm of the value. */
  readonly logarithmic: boolean;
}

export interface Group {
  readonly name: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly name: string;
  readonly value: number;
  /** What is written behind it. */
  readonly text: string;
}

const WIDTH = 720;
const LEFT = 170;
const RIGHT = 110;
const ROW = 20;
const GAP = 26;
const TOP = 44;
/** Ours, and a second way to have it. */
const CLASSES: Readonly<Record<string, string>> = {
  UDPack: 'own',
  Hawser: 'own',
  'Hawser, link': 'own',
  'Hawser, WebSocket': 'own',
  'Hawser, TCP': 'own',
  'Hawser, raw': 'also',
  'Hawser, JSON': 'also',
};
/** For light pages, and for dark ones where the viewer says so. */
const STYLE = [
  '<style>',
  'text { fill: #1d2433 } .page { fill: #ffffff } .own { fill: #0b7a75 } .also { fill: #4fa8a3 } .other { fill: #8a94a6 }',
  '@media (prefers-color-scheme: dark) {',
  'text { fill: #e6e9ef } .page { fill: #161b22 } .own { fill: #2bb5ad } .also { fill: #1f7f7a } .other { fill: #6b7689 }',
  '}',
  '</style>',
].join('\n');

export function drawn({ title, unit, groups, logarithmic }: Chart): string {
  const values = groups.flatMap(({ bars }) => bars.map(({ value }) => value));
  const scale = scaleOf(values, logarithmic);
  const lines: string[] = [];
  let y = TOP;
  for (const { name, bars } of groups) {
    if (name !== '') lines.push(text(12, y + 12, name, 'bold'));
    if (name !== '') y += ROW;
    for (const bar of bars) {
      lines.push(...barAt(y, bar, scale(bar.value)));
      y += ROW;
    }
    y += GAP - ROW / 2;
  }
  const height = y;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`;
  const page = `<rect width="${WIDTH}" height="${height}" class="page" rx="6"/>`;
  const note = logarithmic ? `${unit}, logarithmic` : unit;
  const headings = [text(12, 22, title, 'bold'), text(WIDTH - 12, 22, note, 'end')];
  return [head, `<title>${escaped(title)}</title>`, STYLE, page, ...headings, ...lines, '</svg>', ''].join('\n');
}

function scaleOf(values: readonly number[], logarithmic: boolean): (value: number) => number {
  const most = Math.max(...values);
  const room = WIDTH - LEFT - RIGHT;
  if (!logarithmic) return (value) => (value / most) * room;
  const least = Math.min(...values) / 2;
  return (value) => (Math.log(value / least) / Math.log(most / least)) * room;
}

function barAt(y: number, { name, value, text: shown }: Bar, length: number): string[] {
  const width = Number.isFinite(length) && value > 0 ? Math.max(1, length) : 0;
  return [
    text(LEFT - 8, y + 12, name, 'end'),
    `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 6}" class="${CLASSES[name] ?? 'other'}"/>`,
    text(LEFT + width + 6, y + 12, shown, 'start'),
  ];
}

function text(x: number, y: number, words: string, how: 'start' | 'end' | 'bold'): string {
  const style = how === 'bold' ? ' font-weight="bold"' : ` text-anchor="${how}"`;
  return `<text x="${x.toFixed(1)}" y="${y}"${style}>${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
