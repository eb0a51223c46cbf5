export { keyPairOf, nodeCrypto, rawPublicKey } from './crypto.ts';
export { generateKeys, type KeySource, publicKeyText, readPrivateKey, readPublicKey } from './keys.ts';
