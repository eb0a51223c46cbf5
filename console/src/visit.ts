import { type ClientSocket, connect, HawserError, type Up } from 'hawser/client';
import type { Member, RelayApi, Totals } from './api.ts';
import { describeData } from './words.ts';

export interface VisitOptions {
  readonly url: string;
  readonly room: string;
  readonly user: string;
  /** Empty where the server asks for none. */
  readonly token: string;
  readonly signal: AbortSignal;
}

/** Something that somebody else said. */
export interface Heard {
  readonly from: string;
  /** `say`, or another event that a peer of the room chose. */
  readonly event: string;
  readonly text: string;
  /** Said to this user alone. */
  readonly direct: boolean;
}

/**
 * How far a message of ours has come: `waiting` for the room, `sent` but not answered, `there`, `unknown` when the session was
 * lost in between, or `refused`.
 */
export type Progress = 'waiting' | 'sent' | 'there' | 'unknown' | 'refused';

/** A message of ours. */
export interface Said {
  readonly text: string;
  /** The user it is for; undefined for the room. */
  readonly to: string | undefined;
  progress: Progress;
  /** How many others it went to, or why it was refused. */
  detail: string;
}

/** What a visit tells the page. */
export interface VisitHandler {
  onMembers(members: readonly Member[], self: string): void;
  onPresence(member: Member, here: boolean): void;
  onHeard(heard: Heard): void;
  onSaid(said: Said): void;
  onUp(up: Up): void;
  /** What a room with history says of what was missed. */
  onHistory(text: string): void;
  onDown(reason: string): void;
  onReconnecting(attempt: number, delay: number): void;
  /** The server said no to something that we did not ask for by name. */
  onTrouble(text: string): void;
  /** It is over; `error` says why when we did not ask for it. */
  onEnd(error: Error | undefined): void;
}

/** Words of the server about the room, which nobody said. */
const OF_THE_ROOM: ReadonlySet<string> = new Set(['joined', 'left', 'positioned', 'recovered', 'gap']);

/** One stay in one room under one name, across broken links and lost sessions. */
export class Visit {
  readonly room: string;
  readonly socket: ClientSocket<RelayApi>;
  readonly #handler: VisitHandler;
  readonly #members: Map<string, Member> = new Map();
  /** What is not on its way yet, oldest first. */
  #unsent: Said[] = [];
  #inside = false;

  private constructor(room: string, socket: ClientSocket<RelayApi>, handler: VisitHandler) {
    this.room = room;
    this.socket = socket;
    this.#handler = handler;
    this.#listen();
  }

  /** Connects and joins. @throws HawserError what the server refused with, ERR_ABORTED. */
  static async begin(options: VisitOptions, handler: VisitHandler): Promise<Visit> {
    const { url, room, user, token, signal } = options;
    const who = { ...(user === '' ? {} : { user }), ...(token === '' ? {} : { token }) };
    const socket = await connect<RelayApi>(url, { ...who, persistent: true, timeout: 0, signal });
    const visit = new Visit(room, socket, handler);
    try {
      await visit.#join();
    } catch (error) {
      await socket.close();
      throw error;
    }
    socket.on('close', (_, error) => handler.onEnd(error));
    return visit;
  }

  /** Says something to the room, or to one user. What is said while the link is down goes out when it is back. */
  say(text: string, to?: string): Said {
    const said: Said = { text, to, progress: 'waiting', detail: '' };
    this.#unsent.push(said);
    if (this.#inside) this.#sendAll();
    return said;
  }

  stats(): Promise<Totals> {
    return this.socket.request('stats', undefined, { timeout: 5000 });
  }

  leave(): void {
    void this.socket.close('left');
  }

  #listen(): void {
    const { socket } = this;
    const handler = this.#handler;
    socket.on('up', (up) => this.#onUp(up));
    socket.on('down', ({ reason }) => handler.onDown(reason));
    socket.on('reconnecting', ({ attempt, delay }) => handler.onReconnecting(attempt, delay));
    socket.on('error', (error) => handler.onTrouble(`${error.message} (${error.code})`));
    socket.on('joined', (_, { room, member }) => this.#onPresence(room, member, true));
    socket.on('left', (_, { room, member }) => this.#onPresence(room, member, false));
    socket.on('recovered', ({ missed }, { room }) => {
      if (room === this.room && missed > 0) handler.onHistory(`${missed} missed while away: they are above`);
    });
    socket.on('gap', ({ reason }, { room }) => {
      if (room === this.room) handler.onHistory(`something may be missing here (${reason})`);
    });
    socket.onAny((event, data, { room, from }) => {
      if (OF_THE_ROOM.has(event) || (room !== undefined && room !== this.room)) return;
      const text = describeData(event, data);
      handler.onHeard({ from: from?.user ?? from?.id ?? 'server', event, text, direct: room === undefined });
    });
  }

  /** A session that was lost took its rooms with it: we join again, and then say what never went out. */
  #onUp(up: Up): void {
    this.#handler.onUp(up);
    if (up.recovered === true) return;
    this.#inside = false;
    this.#join().catch((error: unknown) => {
      // Lost once more: the next `up` joins again.
      if (codeOf(error) !== 'ERR_SESSION_LOST') this.#handler.onTrouble(`could not join again: ${messageOf(error)}`);
    });
  }

  async #join(): Promise<void> {
    const { members } = await this.socket.request('join', { room: this.room }, { timeout: 0 });
    this.#members.clear();
    for (const member of members) this.#members.set(member.id, member);
    this.#inside = true;
    this.#tellMembers();
    this.#sendAll();
  }

  #onPresence(room: string | undefined, member: Member | undefined, here: boolean): void {
    if (room !== this.room || member === undefined) return;
    if (here) this.#members.set(member.id, member);
    else this.#members.delete(member.id);
    this.#tellMembers();
    if (member.id !== this.socket.id) this.#handler.onPresence(member, here);
  }

  #tellMembers(): void {
    this.#handler.onMembers([...this.#members.values()], this.socket.id);
  }

  #sendAll(): void {
    const ready = this.#unsent;
    this.#unsent = [];
    for (const said of ready) void this.#send(said);
  }

  async #send(said: Said): Promise<void> {
    this.#progress(said, 'sent', '');
    const { text, to } = said;
    try {
      if (to === undefined) {
        const { members } = await this.socket.request('publish', this.#publication(text), { timeout: 0 });
        this.#progress(said, 'there', members === 1 ? 'to 1 other' : `to ${members} others`);
      } else {
        await this.socket.request('message', { user: to, event: 'say', data: { text } }, { timeout: 0 });
        this.#progress(said, 'there', '');
      }
    } catch (error) {
      this.#onUnsaid(said, error);
    }
  }

  #publication(text: string): { room: string; event: string; data: unknown } {
    return { room: this.room, event: 'say', data: { text } };
  }

  #onUnsaid(said: Said, error: unknown): void {
    if (codeOf(error) !== 'ERR_SESSION_LOST') {
      this.#progress(said, 'refused', messageOf(error));
    } else if ((error as HawserError).delivered === 'no') {
      this.#unsent.push(said);
      this.#progress(said, 'waiting', '');
    } else {
      this.#progress(said, 'unknown', 'may not have arrived');
    }
  }

  #progress(said: Said, progress: Progress, detail: string): void {
    said.progress = progress;
    said.detail = detail;
    this.#handler.onSaid(said);
  }
}

function codeOf(error: unknown): string {
  return error instanceof HawserError ? error.code : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
