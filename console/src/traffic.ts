import type { Totals } from './api.ts';
import { drawChart, type Line } from './chart.ts';
import { part, partOf } from './dom.ts';
import { Rates, type Sample } from './rates.ts';
import { rate } from './words.ts';

/** What the charts show, ms. */
const SPAN = 120_000;

/** The two charts: messages per second and connections of the whole server. */
export class Traffic {
  readonly #rateChart: HTMLCanvasElement = partOf('rate-chart', HTMLCanvasElement);
  readonly #connectionChart: HTMLCanvasElement = partOf('connection-chart', HTMLCanvasElement);
  #rates: Rates = new Rates(SPAN);
  #now = 0;

  constructor() {
    const observer = new ResizeObserver(() => this.draw());
    observer.observe(this.#rateChart);
    observer.observe(this.#connectionChart);
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }

  /** Begins anew, as for another server. */
  clear(): void {
    this.#rates = new Rates(SPAN);
    for (const name of ['rate-in', 'rate-out', 'sockets', 'links']) part(name).textContent = '–';
    this.draw();
  }

  /** Takes in totals that were read at `now`, ms. */
  add(totals: Totals, now: number): void {
    this.#now = now;
    const sample = this.#rates.add(totals, now);
    part('sockets').textContent = totals.sockets.toLocaleString('en');
    part('links').textContent = totals.links.toLocaleString('en');
    if (sample !== undefined) {
      part('rate-in').textContent = rate(sample.received);
      part('rate-out').textContent = rate(sample.sent);
    }
    this.draw();
  }

  draw(): void {
    const line = (colour: string, value: (sample: Sample) => number, rest: Partial<Line> = {}): Line => ({
      colour,
      points: this.#rates.samples.map((sample) => ({ at: sample.at, value: value(sample) })),
      ...rest,
    });
    const messages = [
      line('--out', (sample) => sample.sent, { filled: true }),
      line('--in', (sample) => sample.received),
    ];
    const connections = [
      line('--sockets', (sample) => sample.sockets, { filled: true, stepped: true }),
      line('--links', (sample) => sample.links, { stepped: true }),
    ];
    drawChart(this.#rateChart, messages, this.#now, { span: SPAN, least: 10 });
    drawChart(this.#connectionChart, connections, this.#now, { span: SPAN, least: 5 });
  }
}
