// Draws prices: the chart of one symbol with uPlot, and the little line beside each symbol.
import uPlot from 'uplot';

/** @import { Quote } from './api.ts' */

const HEIGHT = 320;
/** The library declares names for sides and has none when it runs. */
const RIGHT = /** @type {uPlot.Axis.Side} */ (/** @type {unknown} */ (1));

/** The chart of one symbol: its price, and how many shares are left. */
export class Chart {
  #plot;
  #place;

  /** @param {HTMLElement} place */
  constructor(place) {
    this.#place = place;
    this.#plot = new uPlot(optionsFor(this.#width), [[], [], []], place);
    new ResizeObserver(() => this.#plot.setSize({ width: this.#width, height: HEIGHT })).observe(place);
  }

  /** A price holds until the next one, so that the last goes on until `now` (ms). @param {readonly Quote[]} quotes @param {number} now */
  show(quotes, now) {
    const last = quotes.at(-1);
    const points = last === undefined ? [] : [...quotes, { ...last, time: Math.max(now, last.time) }];
    this.#plot.setData([
      points.map(({ time }) => time / 1000),
      points.map(({ price }) => price / 100),
      points.map(({ available }) => available),
    ]);
  }

  get #width() {
    return Math.max(240, this.#place.clientWidth - 16);
  }
}

/** @param {number} width @returns {uPlot.Options} */
function optionsFor(width) {
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  const steps = stepped === undefined ? {} : { paths: stepped };
  const axis = {
    stroke: () => colour('--quiet'),
    grid: { stroke: () => colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    cursor: { y: false },
    scales: { shares: { range: (_, __, most) => [0, Math.max(1, most * 1.02)] } },
    axes: [
      { ...axis, space: 80, values: (_, times) => times.map(clockTime) },
      { ...axis, size: 64, values: (_, prices) => prices.map((price) => price.toFixed(2)) },
      { ...axis, side: RIGHT, scale: 'shares', size: 72, grid: { show: false } },
    ],
    series: [
      { label: 'time', value: (_, time) => (time ? clockTime(time) : '–') },
      {
        label: 'price',
        stroke: () => colour('--accent'),
        width: 2,
        fill: shade,
        points: { show: false },
        value: (_, price) => price?.toFixed(2) ?? '–',
        ...steps,
      },
      {
        label: 'available',
        scale: 'shares',
        stroke: () => colour('--quiet'),
        dash: [4, 4],
        points: { show: false },
        value: (_, shares) => shares?.toLocaleString('en') ?? '–',
        ...steps,
      },
    ],
  };
}

/** Fades from the line to the ground. @param {uPlot} plot */
function shade({ ctx, bbox }) {
  // The first drawing comes before there is any height.
  if (!(bbox.height > 0)) return 'transparent';
  const gradient = ctx.createLinearGradient(0, bbox.top, 0, bbox.top + bbox.height);
  gradient.addColorStop(0, `color-mix(in srgb, ${colour('--accent')} 30%, transparent)`);
  gradient.addColorStop(1, `color-mix(in srgb, ${colour('--accent')} 0%, transparent)`);
  return gradient;
}

/** @param {number} seconds */
function clockTime(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString('en-GB');
}

/** The points of a line through all prices in a box of 100 by 30. @param {readonly Quote[]} quotes */
export function linePoints(quotes) {
  const prices = quotes.map(({ price }) => price);
  const [low, high] = [Math.min(...prices), Math.max(...prices)];
  const step = 100 / Math.max(1, prices.length - 1);
  /** @param {number} price */
  const height = (price) => (high === low ? 15 : 28 - (26 * (price - low)) / (high - low));
  const points = prices.map((price, at) => `${(at * step).toFixed(1)},${height(price).toFixed(1)}`);
  return points.length === 1 ? `0,15 100,15` : points.join(' ');
}

/** What the style sheet calls a colour. @param {string} name */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
