import { clientCodec, decodeBy, read, readVersioned } from './hawser-codec.ts';
import { type Codec, type Incoming, MESSAGE, type MessageKind, type WireFailure } from './messages.ts';
import { asHello } from './shapes.ts';

/** The dialect `hawser.v1` whole: it reads HELLO too. Apart from the client's, so that a page need not load it. */
export const hawserCodec: Codec = {
  ...clientCodec,
  decode: (bytes, text, given) => decodeBy(readAny, bytes, text, given),
};

function readAny(kind: MessageKind): Incoming | WireFailure {
  return kind === MESSAGE.hello ? readVersioned(kind, asHello) : read(kind);
}
