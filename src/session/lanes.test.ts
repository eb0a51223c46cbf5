import { expect, test } from 'vitest';
import { BROKEN, event, TestPort, up } from '../../test/support/session-recorder.ts';
import { LANE, type Outbound } from '../core/index.ts';
import { type ChannelCodec, hawserCodec } from '../wire/index.ts';

const channels = hawserCodec.channels as ChannelCodec;

/** A port with lanes: it keeps by which one each message went, and which were ended. */
class LanePort extends TestPort {
  readonly lanes: (number | string)[] = [];
  takesVolatile = true;

  override send(message: Outbound, lane?: number): boolean {
    this.lanes.push(lane ?? 'none said');
    return super.send(message);
  }

  endLane(lane: number): void {
    this.lanes.push(`end ${lane}`);
  }

  sendVolatile(): boolean {
    this.lanes.push('volatile');
    return this.takesVolatile;
  }

  take(): (number | string)[] {
    return this.lanes.splice(0);
  }
}

const talk = (channel: number): Outbound => channels.open(channel, 'talk', undefined);

test('messages of a channel go by its lane until its last one, all about the socket by the main one, credit by none', () => {
  const port = new LanePort();
  const { session } = up({}, hawserCodec, port);
  session.send(event('a'));
  session.send(talk(2), 0, 2);
  session.sendLoose(channels.credit(2, 10));
  session.send(channels.close(2), 0, 2);
  session.sentLast(2);
  session.ping(0);
  expect(port.take()).toEqual([LANE.main, 2, LANE.none, 2, 'end 2', 'none said']);
});

test('what is volatile goes as what may be lost, and by the lane of its channel where it is too long for that', () => {
  const port = new LanePort();
  const { session } = up({}, hawserCodec, port);
  expect(session.sendVolatile(hawserCodec.volatile(0, 'v', 1))).toBe(true);
  port.takesVolatile = false;
  expect(session.sendVolatile(hawserCodec.volatile(0, 'v', 1))).toBe(true);
  expect(session.sendVolatile(hawserCodec.volatile(2, 'v', 1), 2)).toBe(true);
  expect(port.take()).toEqual(['volatile', 'volatile', 0, 'volatile', 2]);
});

test('a link that follows gets what was not acknowledged by the same lanes, and hears which are over', () => {
  const { session, port: first } = up();
  session.send(talk(2), 0, 2);
  session.send(talk(4), 0, 4);
  session.send(channels.close(2), 0, 2);
  session.sentLast(2);
  session.send(event('a'));
  session.detach(first, BROKEN, 0);
  const port = new LanePort();
  expect(session.attach(port, hawserCodec, 1, [[0, 0]])).toBe(true);
  expect(port.take()).toEqual([LANE.main, 2, 2, 'end 2', 4]);
});
