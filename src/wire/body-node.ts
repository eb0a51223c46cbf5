import { Packr, RESERVE_START_SPACE } from 'msgpackr';
import type { Body } from './body.ts';

const packr = new Packr({
  // Standard MessagePack only: no records, no shared structures, no extensions of the library's own.
  useRecords: false,
  variableMapSize: true,
  copyBuffers: true,
  int64AsType: 'bigint',
  // Not in the library's types, but in its documentation: properties that are undefined are left out.
  ...{ skipValues: [undefined] },
});

const span: { start: number; end: number } = { start: 0, end: 0 };

/** MessagePack by msgpackr, the fastest on Node; docs/decisions/messagepack.md has the figures. */
export const nodeBody: Body = {
  encode(value, reserved) {
    return packr.pack(value, RESERVE_START_SPACE | reserved);
  },
  decode(bytes, start, end) {
    span.start = start;
    span.end = end;
    return packr.unpack(bytes, span) as unknown;
  },
};
