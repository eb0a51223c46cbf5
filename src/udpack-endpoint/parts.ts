/** What an endpoint is made of, for the transport `udpack:`, which builds its links on the machine itself; no part of `hawser/udpack`. */
export { Alarm, now } from './clock.ts';
export { nodeCrypto, resetSecretOf } from './crypto.ts';
export { Driver, type DriverHandler, Telling } from './driver.ts';
export { closeOf, endedError, isUnreachable } from './failures.ts';
export { generateKeys, readPrivateKey, readPublicKey } from './keys.ts';
export { datagramSizeOf } from './mtu.ts';
export { addressText, isLoopback, lookUp, shown } from './names.ts';
export { SharedPort, whenKnown } from './shared-port.ts';
export { UdpPort } from './udp-port.ts';
