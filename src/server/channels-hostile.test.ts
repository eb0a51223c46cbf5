import { afterEach, describe, expect, test } from 'vitest';
import { House, type Scheme } from '../../test/support/house.ts';
import type { RawPeer } from '../../test/support/raw-peer.ts';
import type { Channel } from '../channel/index.ts';
import { type ChannelCodec, hawserCodec, MESSAGE } from '../wire/index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const codec = hawserCodec.channels as ChannelCodec;
const WINDOW = 4096;
const MOST = 3;

interface Scene {
  readonly house: House;
  readonly peer: RawPeer;
  readonly channels: Channel[];
}

/** A peer that is in, before a server whose application reads nothing. */
async function scene(scheme: Scheme): Promise<Scene> {
  const house = await House.open({ limits: { channelBytes: WINDOW, channels: MOST } }, scheme);
  open.push(house);
  const channels: Channel[] = [];
  house.server.on('connection', (socket) => {
    socket.on('channel', (channel) => {
      if (channel.name === 'paused') channel.pause();
      channels.push(channel);
    });
  });
  const peer = await house.peer(scheme, 'hawser');
  await peer.enter({ channels: { most: 1, bytes: 10, message: 300 } });
  return { house, peer, channels };
}

describe.each<Scheme>(['tcp', 'ws', 'udpack'])('over %s', (scheme) => {
  test.each<[string, string, (peer: RawPeer) => void]>([
    ['bytes', 'x', (peer) => peer.say(codec.data(1, new Uint8Array(1000)).bytes)],
    ['events to a paused channel', 'paused', (peer) => peer.say(hawserCodec.event(1, 'e', 'x'.repeat(1000)).bytes)],
    [
      'requests to a paused channel',
      'paused',
      (peer) => peer.say(hawserCodec.request(1, 1, 'r', 'x'.repeat(999)).bytes),
    ],
    ['empty messages', 'paused', (peer) => peer.say(hawserCodec.event(1, 'e', undefined).bytes)],
  ])('%s beyond the credit cost their sender the connection, and nobody else anything', async (_, name, feed) => {
    const { house, peer } = await scene(scheme);
    const others = await house.bystanders();
    peer.say(codec.open(1, name, undefined).bytes);
    for (let i = 0; i < WINDOW; i++) feed(peer);
    expect((await peer.end()).code).toBe(4506);
    await others.check();
  });

  test('many small messages take credit for what keeping them costs', async () => {
    const { peer, channels } = await scene(scheme);
    peer.say(codec.open(1, 'x', undefined).bytes);
    for (let i = 0; i < WINDOW / 64 + 2; i++) peer.say(codec.data(1, new Uint8Array(1)).bytes);
    expect((await peer.end()).code).toBe(4506);
    let kept = 0;
    while (channels[0]?.port.inbox.take()) kept++;
    expect(kept).toBeLessThanOrEqual(WINDOW / 64 + 1);
  });

  test('a channel that is opened with too much is against the protocol', async () => {
    const { house, peer } = await scene(scheme);
    const others = await house.bystanders();
    peer.say(codec.open(1, 'x', 'y'.repeat(17_000)).bytes);
    expect((await peer.end()).code).toBe(4506);
    await others.check();
  });

  test('more channels than allowed are refused one by one; whoever never ends them is closed at twice as many', async () => {
    const { house, peer, channels } = await scene(scheme);
    const others = await house.bystanders();
    for (let i = 0; i < MOST * 2; i++) peer.say(codec.open(i * 2 + 1, 'x', undefined).bytes);
    const refused: number[] = [];
    for (let i = MOST; i < MOST * 2; i++) {
      const refusal = await peer.expect((message) => message.kind === MESSAGE.channelClose);
      expect((refusal.data as { code: string }).code).toBe('ERR_TOO_MANY_CHANNELS');
      refused.push(refusal.channel);
    }
    // Over udpack each comes by a lane of its own.
    expect(refused.toSorted((a, b) => a - b)).toEqual([7, 9, 11]);
    expect(channels.length).toBe(MOST);
    peer.say(codec.open(MOST * 4 + 1, 'x', undefined).bytes);
    expect((await peer.end()).code).toBe(4506);
    await others.check();
  });

  test.each<[string, Uint8Array]>([
    ['opened twice', codec.open(1, 'x', undefined).bytes],
    ['of the server', codec.open(2, 'x', undefined).bytes],
    ['never opened: event', hawserCodec.event(3, 'x', undefined).bytes],
    ['never opened: answer', hawserCodec.response(3, 1, 'x', undefined).bytes],
    ['never opened: bytes', codec.data(3, new Uint8Array(1)).bytes],
    ['never opened: end', codec.close(3).bytes],
  ])('a channel %s is against the protocol', async (_, message) => {
    const { house, peer } = await scene(scheme);
    const others = await house.bystanders();
    peer.say(codec.open(1, 'x', undefined).bytes);
    peer.say(message);
    expect((await peer.end()).code).toBe(4506);
    await others.check();
  });

  test('words after the last word are against the protocol', async () => {
    const { peer } = await scene(scheme);
    peer.say(codec.open(1, 'x', undefined).bytes);
    peer.say(codec.close(1).bytes);
    peer.say(codec.data(1, new Uint8Array(1)).bytes);
    expect((await peer.end()).code).toBe(4506);
  });

  test('credit for what is over, never was, or shrinks means nothing', async () => {
    const { peer, channels } = await scene(scheme);
    peer.say(codec.open(1, 'x', undefined).bytes);
    for (const number of [1, 2, 3, 99]) peer.say(codec.credit(number, 5).bytes);
    peer.say(codec.credit(1, Number.MAX_SAFE_INTEGER).bytes);
    peer.say(codec.credit(1, 0).bytes);
    peer.say(hawserCodec.request(0, 1, 'echo', 'here').bytes);
    expect((await peer.expect((message) => message.kind === MESSAGE.response)).data).toBe('here');
    channels[0]?.send('e', 'x'.repeat(500));
    expect((await peer.expect((message) => message.kind === MESSAGE.event)).channel).toBe(1);
  });

  test('a channel of ours waits for the credit of a peer that gives none', async () => {
    const { house, peer } = await scene(scheme);
    const [socket] = house.server.of('/').sockets;
    const channel = socket?.openChannel('down');
    const writer = channel?.writable.getWriter();
    const first = writer?.write(new Uint8Array(50));
    const second = writer?.write(new Uint8Array(5000));
    let isDone = false;
    const watched = second?.finally(() => {
      isDone = true;
    });
    await first;
    await peer.expect((message) => message.kind === MESSAGE.channelData);
    peer.say(hawserCodec.request(0, 1, 'echo', 1).bytes);
    await peer.expect((message) => message.kind === MESSAGE.response);
    expect(isDone).toBe(false);
    expect(peer.heard.filter((message) => message.kind === MESSAGE.channelData)).toHaveLength(1);
    peer.say(codec.credit(2, 100_000).bytes);
    await watched;
    const told = peer.heard.filter((message) => message.kind === MESSAGE.channelData);
    for (const { data } of told as { data: Uint8Array }[]) expect(data.length).toBeLessThanOrEqual(300);
  });
});
