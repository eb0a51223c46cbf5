export { NODE_PROTOCOL } from './frame.ts';
export * from './joined-engine.ts';
export { METADATA_BYTES } from './notice.ts';
export { CHANGES_BYTES, CHANGES_KEPT } from './own-log.ts';
export { DEAD_LISTED, NODES_MOST } from './peers.ts';
export { FRAGMENTED_BYTES } from './pieces.ts';
export { ASK_TIMEOUT, QUESTIONS_MOST } from './questions.ts';
export { REPORT_PAUSE } from './reports.ts';
export { JOINED_TIMES, type JoinedTimes } from './talk.ts';
