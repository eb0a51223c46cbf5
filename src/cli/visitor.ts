import { readFile } from 'node:fs/promises';
import { type ClientSocket, type ConnectOptions, connect, HawserError } from '../client/index.ts';
import { type Output, UsageError } from './output.ts';
import type { RelayApi } from './relay.ts';

/** The relay's vocabulary as its clients have it, and any event. */
export type RelayClient = ClientSocket<RelayApi>;

/** Where a token comes from. */
export interface TokenOptions {
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
}

export interface VisitOptions extends TokenOptions {
  readonly url: string;
  readonly user: string | undefined;
  /** ms */
  readonly timeout: number;
}

/** Connects to a relay. @throws HawserError as `connect` does; UsageError. */
export async function visit(options: VisitOptions, more: ConnectOptions = {}): Promise<RelayClient> {
  const token = await tokenOf(options);
  return connect<RelayApi>(options.url, {
    timeout: options.timeout,
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(token === undefined ? {} : { token }),
    ...more,
  });
}

/** Tells people why there is no link, while it is tried again: each reason once. */
export function tellTries(socket: RelayClient, output: Output): void {
  let told = '';
  socket.on('reconnecting', ({ error }) => {
    if (error === undefined || error.message === told) return;
    told = error.message;
    output.remark(`${error.code}: ${told}: trying again`);
  });
}

/** From the option, a file, or HAWSER_TOKEN: an option can be seen in the list of processes. */
export async function tokenOf({ token, tokenFile }: TokenOptions): Promise<string | undefined> {
  if (token !== undefined && tokenFile !== undefined) throw new UsageError('give --token or --token-file, not both');
  if (tokenFile === undefined) return token ?? process.env['HAWSER_TOKEN'];
  const text = await readFile(tokenFile, 'utf8').catch((cause: unknown) => {
    throw new HawserError('ERR_OPTION', `the token file can't be read: ${tokenFile}`, { cause });
  });
  return text.trim();
}

/** A JSON text from the command line; undefined when there is none. @throws UsageError. */
export function dataOf(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new UsageError(`not JSON: ${text} (a text needs its quotes: '"hi"')`);
  }
}
