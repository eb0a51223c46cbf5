import { randomUUID } from 'node:crypto';
import { HawserError, type Push, type PushAnswer } from '../index.ts';
import { EXIT, type Output, plainly, UsageError } from './output.ts';
import { pushByNats, pushByRedis } from './push-engines.ts';
import { isApiUrl, pushByHttp } from './push-http.ts';
import { dataOf } from './visitor.ts';

export interface PushToOptions {
  readonly url: string;
  readonly room: string | undefined;
  readonly user: string | undefined;
  readonly apiKeyFile: string | undefined;
  /** Tells the clusters on one engine's server apart. */
  readonly cluster: string;
  /** ms */
  readonly timeout: number;
}

/** Whether `hawser emit` publishes without being a peer at this URL. */
export function isPushUrl(url: string, apiKeyFile: string | undefined): boolean {
  return /^(?:nats|rediss?):/.test(url) || (/^https?:/.test(url) && isApiUrl(url, apiKeyFile));
}

/** Publishes one message by HTTP, or by the server of an engine, and ends. */
export async function pushTo(
  options: PushToOptions,
  event: string,
  json: string | undefined,
  output: Output,
): Promise<number> {
  const { url, room, user } = options;
  if (room !== undefined && user !== undefined) throw new UsageError('give --room or --to, not both');
  const data = dataOf(json);
  const push: Push = {
    ...(user === undefined ? { room: room ?? 'lobby' } : { user }),
    event,
    ...(data === undefined ? {} : { data }),
    id: randomUUID(),
  };
  const text = JSON.stringify(push, plainly);
  const answer = await send(urlOf(url), text, options);
  if (answer === undefined) {
    output.tell({ event: 'pushed', id: push.id }, 'handed to the engine: a node publishes it when it takes it');
    return EXIT.ended;
  }
  if ('results' in answer || !answer.ok) throw refusalOf(answer);
  const { position } = answer;
  const where = position === undefined ? '' : ` at ${position.offset} of ${position.epoch}`;
  const whom = user === undefined ? push.room : `${user}'s sockets`;
  output.tell({ event: 'published', id: push.id, ...(position && { position }) }, `published to ${whom}${where}`);
  return EXIT.ended;
}

function urlOf(text: string): URL {
  if (!URL.canParse(text)) throw new HawserError('ERR_URL', `not a URL: ${text.replace(/\/\/[^/]*@/, '//')}`);
  return new URL(text);
}

/** Undefined where nobody answers. */
async function send(url: URL, text: string, options: PushToOptions): Promise<PushAnswer | undefined> {
  switch (url.protocol) {
    case 'http:':
    case 'https:':
      return answerIn(await pushByHttp(url, text, options));
    case 'nats:':
      return answerIn(await pushByNats(url, options.cluster, text, options.timeout));
    default:
      await pushByRedis(url, options.cluster, text, options.timeout);
      return undefined;
  }
}

function answerIn(text: string): PushAnswer {
  try {
    const answer = JSON.parse(text) as PushAnswer;
    if (typeof answer.ok === 'boolean') return answer;
  } catch {
    // Told below.
  }
  throw new HawserError('ERR_PROTOCOL', 'what answered is no Hawser: is this the URL of /api/publish?');
}

function refusalOf(answer: PushAnswer): HawserError {
  if ('error' in answer) return new HawserError(answer.error.code, answer.error.message);
  return new HawserError('ERR_PROTOCOL', 'an answer for many to one message');
}
