import type { Controller, ControllerName, ControllerOptions } from './controller.ts';
import { NewReno } from './new-reno.ts';

/** A controller of the kind asked for. */
export function createController(_name: ControllerName, options: ControllerOptions): Controller {
  return new NewReno(options);
}
