import type { EngineHost, EngineMessage, Entry } from '../engine/index.ts';
import { answerQuestion } from '../room/index.ts';
import type { Member } from '../wire/index.ts';
import type { ResolvedServerOptions } from './options.ts';
import type { Places } from './places.ts';
import type { Pusher } from './push.ts';
import type { Rivals } from './rivals.ts';

/** What the engine tells and asks of this node. */
export function makeEngineHost(
  options: ResolvedServerOptions,
  places: Places,
  pusher: Pusher,
  rivals: Rivals,
): EngineHost {
  return {
    deliver: (message: EngineMessage) => places.rooms(message.target.namespace)?.deliver(message),
    entered: (entry: Entry) => places.rooms(entry.message.target.namespace)?.entered(entry),
    interrupted: () => {
      for (const rooms of places.allRooms) rooms.interrupted();
    },
    answer: (question: unknown) =>
      rivals.answer(question) ?? answerQuestion(question, (namespace) => places.rooms(namespace)),
    rival: (namespace: string, user: string, mine: string, theirs: string, later: 'mine' | 'theirs') =>
      rivals.met(namespace, user, mine, theirs, later),
    presence: (namespace: string, room: string, member: Member, change: 'joined' | 'left', count: number) =>
      places.rooms(namespace)?.announce(room, member, change, count),
    pushed: (json: Uint8Array, heardBy: 'one' | 'all') => pusher.pushJson(json, heardBy),
    report: options.onError,
  };
}
