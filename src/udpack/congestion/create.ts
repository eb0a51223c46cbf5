import { Bbr } from './bbr.ts';
import type { Controller, ControllerName, ControllerOptions } from './controller.ts';
import { Cubic } from './cubic.ts';
import { NewReno } from './new-reno.ts';

const KINDS: Readonly<Record<ControllerName, new (options: ControllerOptions) => Controller>> = {
  bbr: Bbr,
  cubic: Cubic,
  newreno: NewReno,
};

/** A controller of the kind asked for. */
export function createController(name: ControllerName, options: ControllerOptions): Controller {
  return new KINDS[name](options);
}
