/** What an endpoint is made of, for the transports over UDP, which build their links on it; no part of `hawser/udpack`. */
export { Alarm, now } from '../runtime/index.ts';
export { nodeCrypto, resetSecretOf } from './crypto.ts';
export { Driver, type DriverHandler, Telling } from './driver.ts';
export { closeOf, endedError, isUnreachable } from './failures.ts';
export { generateKeys, readPrivateKey, readPublicKey } from './keys.ts';
export { datagramSizeOf } from './mtu.ts';
export { addressText, isLoopback, lookUp, shown } from './names.ts';
export { SendPool, type Slot } from './send-pool.ts';
export { SharedPort, whenKnown } from './shared-port.ts';
export { UdpPort } from './udp-port.ts';
