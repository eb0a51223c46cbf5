export { keyPairOf, nodeCrypto, rawPublicKey } from './crypto.ts';
