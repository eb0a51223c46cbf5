// Who may trade: with a file of users whoever shows a token, from anywhere; without one whoever says a name, on this machine alone.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { HawserError } from 'hawser';
import { isName } from './words.js';

/** @import { Credentials, Identity } from 'hawser' */

/** Nobody in particular: may look, and not trade. @type {Identity} */
const NOBODY = { user: null };

export class Users {
  /** By the hash of the token: how long it takes to find one says nothing of the token. @type {Map<string, string> | undefined} */
  #names;

  /** @param {Map<string, string>} [names] */
  constructor(names) {
    this.#names = names;
  }

  /** @param {string | undefined} file lines of `NAME TOKEN`; `#` begins a remark */
  static async read(file) {
    if (file === undefined) return new Users();
    /** @type {Map<string, string>} */
    const names = new Map();
    for (const [at, line] of (await readFile(file, 'utf8')).split('\n').entries()) {
      const [name = '', token = '', ...more] = line.replace(/^#.*/, '').trim().split(/\s+/);
      if (name === '') continue;
      if (!isName(name) || token.length < 16 || more.length > 0) {
        throw new Error(`${file}:${at + 1}: a user is NAME TOKEN, and a token has at least 16 characters`);
      }
      names.set(hashOf(token), name);
    }
    return new Users(names);
  }

  /** Whether whoever is on this machine may say who he is. */
  get areNamed() {
    return this.#names === undefined;
  }

  /** @param {Pick<Credentials, 'user' | 'token' | 'local'>} credentials @returns {Identity} */
  identify({ user, token, local }) {
    if (token !== undefined) return { user: this.#nameOf(token, user) };
    if (!local) throw new HawserError('ERR_AUTH_REQUIRED', 'show a token');
    if (user === undefined) return NOBODY;
    if (!this.areNamed) throw new HawserError('ERR_AUTH_REQUIRED', 'a name alone is not enough here: show a token');
    if (!isName(user)) throw new HawserError('ERR_AUTH_FAILED', 'a name has 1 to 64 letters, digits and . _ -');
    return { user };
  }

  /** @param {string} token @param {string | undefined} user */
  #nameOf(token, user) {
    const name = this.#names?.get(hashOf(token));
    if (name === undefined || (user !== undefined && user !== name)) {
      throw new HawserError('ERR_AUTH_FAILED', 'the token is not valid');
    }
    return name;
  }
}

/** @param {string} token */
function hashOf(token) {
  return createHash('sha256').update(token).digest('base64');
}
