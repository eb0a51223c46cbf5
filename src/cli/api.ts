import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { type ApiServer, createApi, HawserError } from '../index.ts';

/** The keys of a file, one a line; empty lines and those that begin with `#` don't count. @throws HawserError ERR_OPTION. */
export async function readKeys(file: string | undefined): Promise<readonly string[]> {
  if (file === undefined) return [];
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new HawserError('ERR_OPTION', `the file of keys can't be read: ${file}`, { cause });
  });
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (keys.length === 0) throw new HawserError('ERR_OPTION', `no key is in ${file}: try "openssl rand -hex 32"`);
  return keys;
}

/** What a server answers by HTTP: the API, and for the rest what it is given. It begins with the server that it is made for. */
export class HttpFace {
  readonly #keys: readonly string[];
  readonly #otherwise: RequestListener;
  #api: RequestListener | undefined;

  constructor(keys: readonly string[], otherwise: RequestListener) {
    this.#keys = keys;
    this.#otherwise = otherwise;
  }

  readonly onRequest: RequestListener = (request, response) => {
    if (this.#api === undefined) response.writeHead(503).end();
    else this.#api(request, response);
  };

  /** @throws HawserError ERR_OPTION for a key that is too short. */
  serve(server: ApiServer): void {
    this.#api = createApi(server, { keys: this.#keys, otherwise: this.#otherwise });
  }
}
