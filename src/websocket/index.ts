export * from './compression.ts';
export * from './deflate.ts';
export * from './dial.ts';
export * from './framing.ts';
export { type Headers, type HeadLimits, joinHeaders, packHeaders, replaceHeader, unpackHeaders } from './http-head.ts';
export {
  acceptKey,
  acceptText,
  encodeRefusal,
  type HttpRefusal,
  refuse,
  refuseProtocols,
  type Sha1,
} from './respond.ts';
export {
  chooseProtocol,
  judgeConnect,
  judgeUpgrade,
  splitHeaders,
  type UpgradeRequest,
  type UpgradeVerdict,
} from './upgrade.ts';
export { UpgradeParser, type UpgradeResult } from './upgrade-parser.ts';
