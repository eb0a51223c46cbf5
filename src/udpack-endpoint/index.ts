export { keyPairOf, nodeCrypto, rawPublicKey } from './crypto.ts';
export type { UdpackClose } from './failures.ts';
export { generateKeys, type KeySource, publicKeyText, readPrivateKey, readPublicKey } from './keys.ts';
export type { AuthToken, TokenBearer, UdpackOptions } from './options.ts';
export { type DatagramOptions, type OpenStreamOptions, UdpackSession } from './session.ts';
export type { UdpackSpeed } from './speed.ts';
export { type SendOptions, UdpackStream, type WriteOptions } from './stream.ts';
export { type ConnectOptions, UDPack, type UdpackStats } from './udpack.ts';
export type { Callback, WaitOptions } from './waits.ts';
