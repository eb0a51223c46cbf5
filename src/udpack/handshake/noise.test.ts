import { expect, test } from 'vitest';
import { nodeCrypto } from '../../udpack-endpoint/crypto.ts';
import { NoiseClient, NoiseServer } from './noise.ts';

/** The public vectors of this name: of cacophony, and of snow. */
const VECTORS = [
  {
    prologue: '4a6f686e2047616c74',
    clientEphemeral: '893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a',
    serverKey: '31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62',
    serverPrivate: '4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893',
    serverEphemeral: 'bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b',
    hash: '2efa38a9c7c93ac98f3a097af25c2f58b9e7673787717bc27e98827118c2c1a5',
    messages: [
      [
        '4c756477696720766f6e204d69736573',
        'ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79448134d00711fdb390a0d178fa008f6d47d2891e5ea18ae136c3b4c23ac384efb0',
      ],
      [
        '4d757272617920526f746862617264',
        '95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088438ea16e3701bc0d77744f117bee22451c9afa7f4cdbbcff00c04a8ee0913c88',
      ],
    ],
    transport: [
      ['462e20412e20486179656b', 'a62de29ce27cb80245d440d986ed816c156e9d757d7008df2198b0'],
      ['4361726c204d656e676572', '174a35f11c689f4530d7208618e0564ae12f2f50ba8eb4df5382ff'],
    ],
  },
  {
    prologue:
      '5468657265206973206e6f20726967687420616e642077726f6e672e2054686572652773206f6e6c792066756e20616e6420626f72696e672e',
    clientEphemeral: '1b0c2affa2a0ba57c3d96a2b5def1671aa00f66a46d306618a2546a6757f5f65',
    serverKey: 'a1685fa10096ad890ba2427ef08d85c44ffe7b1990ebb6ed7555f57b248b9319',
    serverPrivate: 'eb80faf5ebe8437d8edacb3bd95d0718a4eb3e5de6f835bca4d7e161301a563e',
    serverEphemeral: '908f7161432df9036325367c1592ca275fea9a44cdf70d4f3135e16d0034dedc',
    hash: undefined,
    messages: [
      [
        '6b2da7554f3d4b8a27f371a0b2fb0d1b9c4830ea29e804b05d698f3f302740f4',
        '1c83e1721fadb9fc168e67da9d25503aa286e42d7d35b80c73096d29cce503096ee5516c7bd399fb1f8b0f2affa71e262626c7eb957069a46177f86530217aac9d18bbb78c297d3de7b651995c6783cc',
      ],
      [
        '0216bdac2fb32a7c53d9c4711e3ed995c2e856d19fb1ed465cc88efd4f347e6f',
        'd514c7509ba675f32aaaaef759846609383fb36f6081a3aed84737c800a3127c66ebfa61ba8ee2a58b5074e40e3c0ce02ac02c30f3b6afd9ace9fcc4494485e7e3e545d05f5e9f1336ab5cd9f0d8eb54',
      ],
    ],
    transport: [
      [
        '0497dfc21ec4d70f04ffc7094b9467808c043d027c87d410b62e1af3dc791dce',
        '5bd6fb7c4fd75dd4d15b6600c8df4a59509709a97affb19f4e4a72e62dc8459f89361ae710a9fd58545eee4ceb37ec01',
      ],
      [
        '874ba1f2539061f556a212f83c7a96faf33a451aa75099ef8a9b2aeb54c48f36',
        '1f7b7dd2a4992441bc91b6996b0079c3b0747e5aa8dc2443b1fe01331d57644647bbef13cda29f0abc9836739df52fff',
      ],
    ],
  },
] as const;

test.each(VECTORS)('the public vector with prologue $prologue', (vector) => {
  const [[payload1, message1], [payload2, message2]] = vector.messages;
  const pair = (privateKey: string) => nodeCrypto.keyPairOf(bytes(privateKey));
  const client = NoiseClient.start(
    nodeCrypto,
    bytes(vector.serverKey),
    bytes(vector.prologue),
    bytes(payload1),
    pair(vector.clientEphemeral),
  );
  expect(hex(client?.message)).toBe(message1);
  const server = NoiseServer.read(nodeCrypto, pair(vector.serverPrivate), bytes(vector.prologue), bytes(message1));
  expect(hex(server?.payload)).toBe(payload1);
  const answer = server?.answer(bytes(payload2), pair(vector.serverEphemeral));
  expect(hex(answer?.message)).toBe(message2);
  const finished = client?.finish(bytes(message2));
  expect(hex(finished?.payload)).toBe(payload2);
  expect(finished?.result).toEqual(answer?.result);
  if (vector.hash !== undefined) expect(hex(finished?.result.hash)).toBe(vector.hash);
  // The two secrets are the keys of the messages that follow, each with nonce 0.
  const secrets = [finished?.result.clientSecret, finished?.result.serverSecret];
  for (const [at, [text, sealed]] of vector.transport.entries()) {
    const opened = nodeCrypto
      .aead(secrets[at] ?? new Uint8Array(32))
      .open(new Uint8Array(12), new Uint8Array(), bytes(sealed), 0, sealed.length / 2);
    expect(hex(opened)).toBe(text);
  }
});

test('a message that was changed at any place is refused, and the right one is taken after it', () => {
  const key = nodeCrypto.keyPair();
  const prologue = Uint8Array.of(1, 2, 3);
  const client = NoiseClient.start(nodeCrypto, key.publicKey, prologue, Uint8Array.of(4));
  const message = client?.message ?? new Uint8Array();
  for (let at = 0; at < message.length; at++) {
    const changed = Uint8Array.from(message);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(NoiseServer.read(nodeCrypto, key, prologue, changed)).toBeUndefined();
    expect(NoiseServer.read(nodeCrypto, key, prologue, message.subarray(0, at))).toBeUndefined();
  }
  const answer = NoiseServer.read(nodeCrypto, key, prologue, message)?.answer(Uint8Array.of(5));
  const right = answer?.message ?? new Uint8Array();
  for (let at = 0; at < right.length; at++) {
    const changed = Uint8Array.from(right);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(client?.finish(changed)).toBeUndefined();
  }
  expect(client?.finish(right)?.result).toEqual(answer?.result);
  expect(NoiseServer.read(nodeCrypto, nodeCrypto.keyPair(), prologue, message)).toBeUndefined();
  expect(NoiseServer.read(nodeCrypto, key, Uint8Array.of(9), message)).toBeUndefined();
});

test('keys of low order are refused on both sides', () => {
  expect(NoiseClient.start(nodeCrypto, new Uint8Array(32), new Uint8Array(), new Uint8Array())).toBeUndefined();
  const key = nodeCrypto.keyPair();
  const client = NoiseClient.start(nodeCrypto, key.publicKey, new Uint8Array(), new Uint8Array());
  expect(client?.finish(new Uint8Array(48))).toBeUndefined();
  expect(NoiseServer.read(nodeCrypto, key, new Uint8Array(), new Uint8Array(48))).toBeUndefined();
});

function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

function hex(data: Uint8Array | undefined): string | undefined {
  return data && Buffer.from(data).toString('hex');
}
