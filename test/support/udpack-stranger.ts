import { clientIdOf, encodeBound, KIND, macKey, prologue } from '../../src/udpack/handshake/datagrams.ts';
import { nodeCrypto } from '../../src/udpack-endpoint/parts.ts';

/** What a server answers an INIT with that speaks another version of UDPack alone: VERSION of docs/UDPACK.md. */
export function answerOfAnotherVersion(init: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const start = prologue(KIND.version, 0, clientIdOf(init));
  const mac = init.subarray(init.length - 16);
  return encodeBound(nodeCrypto, macKey(nodeCrypto, publicKey), start, Uint8Array.of(0xff, 0, 0, 99), mac);
}
