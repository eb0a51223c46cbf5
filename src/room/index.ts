export type { Answers, Asked } from './ask.ts';
export { Broadcast } from './broadcast.ts';
export { Delivery } from './delivery.ts';
export { everybody, type Hall, Namespace, type NamespaceSettings, PassingHall, type Seat } from './namespace.ts';
export type { Occupant } from './occupant.ts';
export {
  comparePatterns,
  type IsPattern,
  isPattern,
  isSamePattern,
  matchPattern,
  normalPath,
  type Params,
  type ParamsOf,
  type PathPattern,
  parsePattern,
} from './paths.ts';
