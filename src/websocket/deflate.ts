import { type Extension, parseExtensions } from './extensions.ts';

/** permessage-deflate (RFC 7692) as both sides agreed on it. */
export interface DeflateAgreement {
  /** The server begins each message without memory of the ones before. */
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  /** The server's compression looks back over 2 to the power of this many bytes: 8 to 15. */
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
}

/** What one side wants, by the same names: true and bits under 15 are asked for, or decided by a server. */
export type DeflateWishes = DeflateAgreement;

/** What a server makes of a client's offers. */
export type DeflateVerdict =
  | { readonly kind: 'agreed'; readonly agreement: DeflateAgreement; readonly answer: string }
  /** There was no offer that can be accepted: the connection does without. */
  | { readonly kind: 'none' }
  /** The header breaks its grammar: the handshake fails (RFC 6455 9.1). */
  | { readonly kind: 'broken' };

const NAME = 'permessage-deflate';
const MOST_BITS = 15;
const BITS = /^(?:[89]|1[0-5])$/;

const NO_CONTEXT = { server: 'server_no_context_takeover', client: 'client_no_context_takeover' } as const;
const WINDOW = { server: 'server_max_window_bits', client: 'client_max_window_bits' } as const;

/** The parameters of one offer or answer; bits are undefined where they are not named, and 'any' where no number follows. */
interface Parameters {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number | undefined;
  readonly clientMaxWindowBits: number | 'any' | undefined;
}

/** Accepts the first offer that can be (RFC 7692 5.1 and 7.1); others, and other extensions, are passed over. */
export function acceptDeflate(header: string | undefined, wishes: DeflateWishes): DeflateVerdict {
  if (header === undefined) return { kind: 'none' };
  const extensions = parseExtensions(header);
  if (extensions === undefined) return { kind: 'broken' };
  for (const extension of extensions) {
    const offer = extension.name === NAME ? readParameters(extension) : undefined;
    const agreement = offer && agree(offer, wishes);
    if (offer && agreement) return { kind: 'agreed', agreement, answer: answerTo(offer, agreement) };
  }
  return { kind: 'none' };
}

function agree(offer: Parameters, wishes: DeflateWishes): DeflateAgreement | undefined {
  const theirs = offer.clientMaxWindowBits;
  // A client that doesn't name the parameter can't be held to it.
  if (theirs === undefined && wishes.clientMaxWindowBits < MOST_BITS) return undefined;
  return {
    serverNoContextTakeover: offer.serverNoContextTakeover || wishes.serverNoContextTakeover,
    clientNoContextTakeover: offer.clientNoContextTakeover || wishes.clientNoContextTakeover,
    serverMaxWindowBits: Math.min(offer.serverMaxWindowBits ?? MOST_BITS, wishes.serverMaxWindowBits),
    clientMaxWindowBits: Math.min(typeof theirs === 'number' ? theirs : MOST_BITS, wishes.clientMaxWindowBits),
  };
}

function answerTo(offer: Parameters, agreement: DeflateAgreement): string {
  const { serverMaxWindowBits, clientMaxWindowBits } = agreement;
  let answer = NAME;
  if (agreement.serverNoContextTakeover) answer += `; ${NO_CONTEXT.server}`;
  if (agreement.clientNoContextTakeover) answer += `; ${NO_CONTEXT.client}`;
  if (offer.serverMaxWindowBits !== undefined || serverMaxWindowBits < MOST_BITS) {
    answer += `; ${WINDOW.server}=${serverMaxWindowBits}`;
  }
  if (clientMaxWindowBits < MOST_BITS) answer += `; ${WINDOW.client}=${clientMaxWindowBits}`;
  return answer;
}

/** A client's offer. It always lets the server choose the client's window. */
export function offerDeflate(wishes: DeflateWishes): string {
  let offer = NAME;
  if (wishes.serverNoContextTakeover) offer += `; ${NO_CONTEXT.server}`;
  if (wishes.clientNoContextTakeover) offer += `; ${NO_CONTEXT.client}`;
  if (wishes.serverMaxWindowBits < MOST_BITS) offer += `; ${WINDOW.server}=${wishes.serverMaxWindowBits}`;
  return `${offer}; ${WINDOW.client}${wishes.clientMaxWindowBits < MOST_BITS ? `=${wishes.clientMaxWindowBits}` : ''}`;
}

/**
 * Holds a server's answer to the offer that `offerDeflate` makes of these wishes. Undefined means that the connection does without;
 * a string says why the answer may not be, and the connection fails (RFC 7692 5.1).
 */
export function readDeflateAnswer(
  header: string | undefined,
  wishes: DeflateWishes,
): DeflateAgreement | string | undefined {
  if (header === undefined) return undefined;
  const [extension, ...others] = parseExtensions(header) ?? [];
  if (extension === undefined) return 'the header sec-websocket-extensions is broken';
  if (others.length > 0 || extension.name !== NAME) return 'an extension that was not offered';
  const answer = readParameters(extension);
  if (answer === undefined) return `a broken answer to ${NAME}`;
  const { serverMaxWindowBits = MOST_BITS, clientMaxWindowBits = wishes.clientMaxWindowBits } = answer;
  if (wishes.serverNoContextTakeover && !answer.serverNoContextTakeover) return `no ${NO_CONTEXT.server}`;
  if (serverMaxWindowBits > wishes.serverMaxWindowBits) return `${WINDOW.server} over what was offered`;
  if (clientMaxWindowBits === 'any') return `${WINDOW.client} without a number`;
  if (clientMaxWindowBits > wishes.clientMaxWindowBits) return `${WINDOW.client} over what was offered`;
  return {
    serverNoContextTakeover: answer.serverNoContextTakeover,
    clientNoContextTakeover: answer.clientNoContextTakeover || wishes.clientNoContextTakeover,
    serverMaxWindowBits,
    clientMaxWindowBits,
  };
}

/** Undefined for a parameter that is unknown, comes twice or has a value that it can't have (RFC 7692 7.1). */
function readParameters({ parameters }: Extension): Parameters | undefined {
  const seen = new Map(parameters);
  if (seen.size < parameters.length) return undefined;
  for (const [name, value] of seen) if (!mayBe(name, value)) return undefined;
  const server = seen.get(WINDOW.server);
  const client = seen.get(WINDOW.client);
  return {
    serverNoContextTakeover: seen.has(NO_CONTEXT.server),
    clientNoContextTakeover: seen.has(NO_CONTEXT.client),
    serverMaxWindowBits: server === undefined ? undefined : Number(server),
    clientMaxWindowBits: client === undefined ? (seen.has(WINDOW.client) ? 'any' : undefined) : Number(client),
  };
}

function mayBe(name: string, value: string | undefined): boolean {
  switch (name) {
    case NO_CONTEXT.server:
    case NO_CONTEXT.client:
      return value === undefined;
    case WINDOW.server:
      return value !== undefined && BITS.test(value);
    case WINDOW.client:
      return value === undefined || BITS.test(value);
    default:
      return false;
  }
}
