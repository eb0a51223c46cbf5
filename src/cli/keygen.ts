import { generateKeys, publicKeyText, readPublicKey } from '../udpack-endpoint/index.ts';
import { EXIT, type Output } from './output.ts';
import { pairFiles, writePair } from './pairs.ts';

const NAMES = 'server.key,server.pub';

/** Makes a pair of keys for UDPack in a folder: the private one for its owner's eyes alone. Either both are written, or none. */
export function keygen(out: string, names: string | undefined, output: Output): number {
  const files = pairFiles(out, names ?? NAMES, NAMES, 'secret');
  const { privateKey, publicKey } = generateKeys();
  writePair(files, { secret: privateKey, open: publicKey }, out);
  const text = publicKeyText(readPublicKey(publicKey));
  const { secret, open } = files;
  output.tell(
    { event: 'keys', private: secret, public: open, key: text },
    `${secret}\n${open}\nfor URLs: ?key=${text}`,
  );
  return EXIT.ended;
}
