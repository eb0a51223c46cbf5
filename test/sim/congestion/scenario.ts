import { type ControllerName, createController } from '../../../src/udpack/congestion/index.ts';
import { Bottleneck, type BottleneckOptions } from './bottleneck.ts';
import { Events } from './events.ts';
import { Flow, type FlowOptions } from './flow.ts';

export interface Scenario {
  readonly seed: number;
  /** Length of the run in ms. */
  readonly duration: number;
  readonly link: BottleneckOptions;
  readonly flows: readonly (Omit<FlowOptions, 'name'> & { readonly kind: ControllerName })[];
  /** Changes on the way. */
  readonly steps?: readonly { readonly at: number; readonly rate?: number; readonly loss?: number }[];
  /** Distance of samples in ms. Default 100. */
  readonly every?: number;
}

/** One look at a running scenario. */
export interface Sample {
  readonly at: number;
  /** Bytes that wait in the queue. */
  readonly queued: number;
  readonly flows: readonly {
    readonly window: number;
    readonly inFlight: number;
    readonly delivered: number;
    readonly phase: string;
  }[];
}

export interface Outcome {
  readonly samples: readonly Sample[];
  readonly flows: readonly Flow[];
  readonly link: Bottleneck;
  /** Bytes per ms that a flow's receiver got between two times. */
  goodput(flow: number, from: number, to: number): number;
  /** A flow's part of all that was delivered between two times. */
  share(flow: number, from: number, to: number): number;
  /** Mean bytes in the queue between two times. */
  meanQueue(from: number, to: number): number;
}

export function run(scenario: Scenario): Outcome {
  const random = generator(scenario.seed);
  const events = new Events();
  const link = new Bottleneck(events, scenario.link, random);
  const flows = scenario.flows.map(({ kind, ...options }, at) => {
    const controller = createController(kind, { datagramSize: options.size ?? 1452, random });
    return new Flow(events, link, controller, { name: `${kind} ${at + 1}`, ...options }, random);
  });
  for (const step of scenario.steps ?? []) {
    events.at(step.at, () => {
      link.rate = step.rate ?? link.rate;
      link.loss = step.loss ?? link.loss;
    });
  }
  const samples: Sample[] = [];
  const every = scenario.every ?? 100;
  for (let at = 0; at <= scenario.duration; at += every) {
    events.runUntil(at);
    samples.push({ at, queued: link.queued, flows: flows.map(look) });
  }
  return outcome(samples, flows, link);
}

function look(flow: Flow): Sample['flows'][number] {
  const { window, phase } = flow.controller.snapshot();
  return { window, inFlight: flow.inFlight, delivered: flow.delivered, phase };
}

function outcome(samples: readonly Sample[], flows: readonly Flow[], link: Bottleneck): Outcome {
  const at = (time: number): Sample => samples.findLast((one) => one.at <= time) as Sample;
  const got = (flow: number, from: number, to: number): number =>
    (at(to).flows[flow]?.delivered ?? 0) - (at(from).flows[flow]?.delivered ?? 0);
  return {
    samples,
    flows,
    link,
    goodput: (flow, from, to) => got(flow, from, to) / (to - from),
    share: (flow, from, to) => got(flow, from, to) / flows.reduce((sum, _, other) => sum + got(other, from, to), 0),
    meanQueue: (from, to) => {
      const within = samples.filter((one) => one.at >= from && one.at <= to);
      return within.reduce((sum, one) => sum + one.queued, 0) / within.length;
    },
  };
}

/** Numbers in [0, 1) from a seed. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** Megabits a second as bytes per ms. */
export const mbit = (rate: number): number => rate * 125;
