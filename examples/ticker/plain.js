// The door for people with nothing but a terminal: lines of text over TCP, `BUY|SELL SYMBOL NUMBER`.
import { randomUUID } from 'node:crypto';
import { HawserError } from 'hawser';
import { ORDER_FORM, readOrder } from './words.js';

/** @import { Server, ServerSocket } from 'hawser' */
/** @import { Desk } from './desk.js' */
/** @import { Users } from './users.js' */

/** Whoever doesn't say who he is trades as this one. */
const GUEST = 'guest';
const LOGIN_FORM = 'say who you are: USER <NAME> <TOKEN>';
/** Lines of one client that may wait for their answers; then nothing is read from it. */
const MOST_WAITING = 100;
/** Lines in a row that mean nothing. */
const MOST_NONSENSE = 20;
/** A browser that was led here by some page; what it sends is not what its user wants. */
const HTTP = /HTTP\/\d(?:\.\d)?$/;

/** @param {Server} server @param {string} path where its clients are @param {{ desk: Desk, users: Users }} market */
export function servePlain(server, path, { desk, users }) {
  server.of(path, { dialect: 'line' }).on('connection', (socket) => new Visitor(socket, desk, users));
}

/** One connection. Answers come in the order of the lines. */
class Visitor {
  #socket;
  #desk;
  #users;
  /** @type {string | undefined} */
  #user;
  #waiting = 0;
  #nonsense = 0;
  /** Nothing more is taken from it. */
  #isSentAway = false;
  /** Resolves when all lines so far are answered. */
  #answered = Promise.resolve();

  /** @param {ServerSocket} socket @param {Desk} desk @param {Users} users */
  constructor(socket, desk, users) {
    this.#socket = socket;
    this.#desk = desk;
    this.#users = users;
    if (users.areNamed) this.#user = GUEST;
    socket.on('message', (line) => this.#hear(String(line)));
    // Who has said all still gets the answers.
    socket.on('end', () => void this.#answered.then(() => socket.close(1000, '')));
  }

  /** @param {string} line */
  #hear(line) {
    if (HTTP.test(line)) this.#isSentAway = true;
    if (this.#isSentAway) return this.#leave();
    const answer = this.#answer(line);
    this.#waiting += 1;
    if (this.#waiting === MOST_WAITING) this.#socket.pause();
    this.#answered = this.#answered.then(() => answer).then((text) => this.#say(text));
  }

  /** @param {string} text */
  #say(text) {
    this.#waiting -= 1;
    if (this.#waiting === 0) this.#socket.resume();
    if (this.#socket.state === 'ended') return;
    this.#socket.send('message', text);
    this.#leave();
  }

  /** Closes behind the last answer, if it is to go. */
  #leave() {
    if (this.#isSentAway && this.#waiting === 0) this.#socket.close(1008, 'no orders, but something else');
  }

  /** Never rejects. @param {string} line @returns {Promise<string>} */
  async #answer(line) {
    try {
      const [word, name, token] = line.trim().split(/\s+/);
      if (word === 'USER') return this.#login(name, token);
      const wanted = readOrder(line);
      if (wanted === undefined) throw new HawserError('BAD_ORDER', ORDER_FORM);
      this.#nonsense = 0;
      if (this.#user === undefined) throw new HawserError('ERR_AUTH_REQUIRED', LOGIN_FORM);
      const { held, symbol } = await this.#desk.order(this.#user, { ...wanted, id: wanted.id ?? randomUUID() });
      return `successfully processed request. You now hold ${held} of ${symbol}`;
    } catch (error) {
      if (error instanceof HawserError && error.code === 'BAD_ORDER') this.#nonsense += 1;
      if (this.#nonsense >= MOST_NONSENSE) this.#isSentAway = true;
      return `ERROR! ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  /** @param {string | undefined} user @param {string | undefined} token */
  #login(user, token) {
    if (user === undefined) throw new HawserError('BAD_ORDER', LOGIN_FORM);
    const { local } = this.#socket.handshake;
    const identity = this.#users.identify({ user, token, local });
    this.#user = identity.user ?? undefined;
    return `you are ${identity.user}`;
  }
}
