export { answerQuestion } from './answer.ts';
export type { Answers, Asked } from './ask.ts';
export { Broadcast, type PublishOptions, type RoomsAndWait } from './broadcast.ts';
export type { Placed, Published } from './chronicle.ts';
export type { FindOptions, Found, FoundSocket, Reached, Unreached } from './cluster.ts';
export { Delivery } from './delivery.ts';
export type { Joined, JoinOptions, LossReason } from './joined.ts';
export { type LogSettings, Logs } from './logs.ts';
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
export { isCount, isRecord, isTexts } from './question.ts';
export { type HistoryOptions, HistoryRules } from './rules.ts';
