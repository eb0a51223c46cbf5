/// <reference lib="esnext.disposable" preserve="true" />
export { FILE_LIMITS, type FileLimits } from './limits.ts';
export { type FileReceiver, type ReceiveTarget, receiveFiles } from './receive.ts';
export type {
  OfferedFile,
  ReceivedFile,
  ReceiveEvent,
  ReceiveOptions,
  ReceiveProgress,
} from './receive-options.ts';
export { type SendOptions, type SendProgress, type SendSummary, type SentFile, sendFiles } from './send.ts';
export type { SendFailure, SkippedEntry } from './source.ts';
