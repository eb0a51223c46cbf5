import { readFile } from 'node:fs/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { text } from 'node:stream/consumers';
import { HawserError } from '../index.ts';
import { UsageError } from './output.ts';

export interface HttpPush {
  readonly apiKeyFile: string | undefined;
  /** ms */
  readonly timeout: number;
}

/** Whether an HTTP URL is that of the API, and not of a peer: by its path, or since there is a key for it. */
export function isApiUrl(url: string, apiKeyFile: string | undefined): boolean {
  return /^[^?#]*\/api\/publish\/?(?:[?#]|$)/.test(url) || keyNamed(apiKeyFile);
}

/** Posts to the API of a node, and resolves with what it says. The URL's parameter `ca` names a file, as it does where peers dial. */
export async function pushByHttp(at: URL, json: string, { apiKeyFile, timeout }: HttpPush): Promise<string> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${await keyOf(apiKeyFile)}` };
  const { url, ca } = await trusting(at);
  const signal = AbortSignal.timeout(timeout);
  try {
    return await post(url, json, { headers, signal, ...(ca !== undefined && { ca }) });
  } catch (cause) {
    if (signal.aborted) throw new HawserError('ERR_TIMEOUT', `no answer in ${timeout} ms`, { cause });
    throw new HawserError('ERR_CONNECT_FAILED', `${url.origin} can't be reached: ${wordsOf(cause)}`, { cause });
  }
}

interface PostOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly ca?: Buffer;
}

function post(url: URL, json: string, options: PostOptions): Promise<string> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const asked = request(url, { ...options, method: 'POST', agent: false }, (response) => {
      text(response).then(resolve, reject);
    });
    asked.on('error', reject);
    asked.end(json);
  });
}

async function trusting(at: URL): Promise<{ readonly url: URL; readonly ca: Buffer | undefined }> {
  const url = new URL(at);
  const file = url.searchParams.get('ca');
  if (file === null) return { url, ca: undefined };
  url.searchParams.delete('ca');
  return { url, ca: await readFile(file).catch((cause: unknown) => notRead("the file of 'ca'", file, cause)) };
}

function keyNamed(file: string | undefined): boolean {
  return file !== undefined || (process.env['HAWSER_API_KEY'] ?? '') !== '';
}

/** From the file, or HAWSER_API_KEY: an option can be seen in the list of processes. */
async function keyOf(file: string | undefined): Promise<string> {
  const key = file === undefined ? process.env['HAWSER_API_KEY'] : await firstLine(file);
  if (key === undefined || key === '') throw new UsageError('give --api-key-file FILE, or HAWSER_API_KEY');
  return key;
}

async function firstLine(file: string): Promise<string | undefined> {
  const keys = await readFile(file, 'utf8').catch((cause: unknown) => notRead('the file of keys', file, cause));
  const lines = keys.split('\n').map((line) => line.trim());
  return lines.find((line) => line !== '' && !line.startsWith('#'));
}

function notRead(what: string, file: string, cause: unknown): never {
  throw new HawserError('ERR_OPTION', `${what} can't be read: ${file}`, { cause });
}

/** A name with several addresses fails with an error for each, and none of its own. */
function wordsOf(cause: unknown): string {
  const error = cause instanceof AggregateError ? (cause.errors[0] as unknown) : cause;
  return error instanceof Error ? error.message : String(error);
}
