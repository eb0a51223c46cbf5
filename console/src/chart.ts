import { niceTop } from './rates.ts';

/** One line of a chart: its value at each moment, oldest first. */
export interface Line {
  /** The custom property of style.css that holds the colour. */
  readonly colour: string;
  readonly points: readonly { readonly at: number; readonly value: number }[];
  /** Whether the surface below the line is tinted. */
  readonly filled?: boolean;
  /** Whether the value holds until the next one, as a count does. */
  readonly stepped?: boolean;
}

export interface ChartOptions {
  /** ms from the left edge to the right. */
  readonly span: number;
  /** The least that the top of the axis stands for. */
  readonly least: number;
}

interface Frame {
  readonly context: CanvasRenderingContext2D;
  readonly width: number;
  readonly height: number;
  readonly x: (at: number) => number;
  readonly y: (value: number) => number;
}

const PAD = { top: 14, bottom: 4, left: 2, right: 3 };

/** Draws lines that end at `now`, all on one scale, sharp on any screen. */
export function drawChart(canvas: HTMLCanvasElement, lines: readonly Line[], now: number, options: ChartOptions): void {
  const context = canvas.getContext('2d');
  const { clientWidth: width, clientHeight: height } = canvas;
  if (context === null || width === 0 || height === 0) return;
  const density = window.devicePixelRatio;
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  context.scale(density, density);
  const top = niceTop(Math.max(0, ...lines.flatMap((line) => line.points.map((point) => point.value))), options.least);
  const left = now - options.span;
  const frame: Frame = {
    context,
    width,
    height,
    x: (at) => PAD.left + ((at - left) / options.span) * (width - PAD.left - PAD.right),
    y: (value) => height - PAD.bottom - (value / top) * (height - PAD.top - PAD.bottom),
  };
  const style = getComputedStyle(canvas);
  const colourOf = (property: string): string => style.getPropertyValue(property).trim();
  drawAxis(frame, top, colourOf('--rule'), colourOf('--quiet'));
  for (const line of lines) drawLine(frame, line, colourOf(line.colour));
}

function drawAxis({ context, width, y }: Frame, top: number, rule: string, ink: string): void {
  context.lineWidth = 1;
  context.strokeStyle = rule;
  for (const value of [0, top / 2, top]) {
    const line = Math.round(y(value)) + 0.5;
    context.beginPath();
    context.moveTo(0, line);
    context.lineTo(width, line);
    context.stroke();
  }
  context.fillStyle = ink;
  context.font = '10px system-ui, sans-serif';
  context.textBaseline = 'bottom';
  context.fillText(top.toLocaleString('en'), 2, y(top) - 1);
}

function drawLine(frame: Frame, line: Line, colour: string): void {
  const { context } = frame;
  const [first] = line.points;
  const last = line.points.at(-1);
  if (first === undefined || last === undefined) return;
  trace(frame, line);
  context.strokeStyle = colour;
  context.lineWidth = 1.75;
  context.lineJoin = 'round';
  context.stroke();
  if (line.filled) {
    context.lineTo(frame.x(last.at), frame.y(0));
    context.lineTo(frame.x(first.at), frame.y(0));
    context.globalAlpha = 0.14;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
  }
  context.beginPath();
  context.arc(frame.x(last.at), frame.y(last.value), 2.25, 0, Math.PI * 2);
  context.fillStyle = colour;
  context.fill();
}

function trace({ context, x, y }: Frame, { points, stepped }: Line): void {
  context.beginPath();
  let before: number | undefined;
  for (const { at, value } of points) {
    if (stepped && before !== undefined) context.lineTo(x(at), y(before));
    context.lineTo(x(at), y(value));
    before = value;
  }
}
