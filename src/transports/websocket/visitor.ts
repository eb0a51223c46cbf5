import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Instant } from '../../core/index.ts';
import { Deadline, type DeadlineOwner, type PortUser } from '../../runtime/index.ts';
import { refuse, UpgradeParser } from '../../websocket/index.ts';
import type { Guest } from '../guest.ts';
import { attach } from '../sockets.ts';
import { receiveUpgrade, sendAway } from './grant.ts';
import { handToHttp } from './http.ts';
import type { Lobby } from './routes.ts';

/** A connection whose first request is being read. */
export class Visitor implements PortUser, DeadlineOwner, Guest {
  readonly #lobby: Lobby;
  readonly #http: Server;
  readonly #socket: Socket;
  readonly #parser: UpgradeParser = new UpgradeParser({}, latin1);
  readonly #deadline: Deadline = new Deadline(this);

  constructor(lobby: Lobby, http: Server, socket: Socket) {
    this.#lobby = lobby;
    this.#http = http;
    this.#socket = socket;
  }

  /** It has until `by` to say what it wants. */
  enter(by: Instant): void {
    const { group, guests } = this.#lobby;
    guests.add(this);
    group.wheel.schedule(this.#deadline, by);
    attach(this.#socket, this);
  }

  receive(chunk: Uint8Array): void {
    const result = this.#parser.receive(chunk);
    if (result.kind === 'more') return;
    this.#forget();
    switch (result.kind) {
      case 'upgrade':
        receiveUpgrade(this.#lobby, this.#socket, result.request, result.rest);
        return;
      case 'refuse':
        sendAway(this.#lobby, this.#socket, result.refusal);
        return;
      case 'http':
        handToHttp(this.#http, this.#socket, result.bytes);
    }
  }

  writable(): void {}

  /** It left before its request was whole. */
  ended(): void {
    this.leave();
  }

  gone(): void {
    this.#forget();
  }

  onDeadline(): void {
    this.#forget();
    sendAway(this.#lobby, this.#socket, refuse(408, 'the request did not come in time'));
  }

  leave(): void {
    this.#socket.destroy();
  }

  #forget(): void {
    this.#lobby.guests.delete(this);
    this.#lobby.group.wheel.cancel(this.#deadline);
  }
}

/** By Node's own decoder, which is faster than the one of `websocket`. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
