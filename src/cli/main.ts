#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { thisWorker } from '../index.ts';
import { cert } from './cert.ts';
import { chat } from './chat.ts';
import { EngineFailure } from './engine.ts';
import { keygen } from './keygen.ts';
import { find, type LanTrust, publish, subscribe } from './lan.ts';
import { call, emit, tail } from './once.ts';
import { EXIT, Output, shown, UsageError } from './output.ts';
import { isPushUrl, pushTo } from './push.ts';
import { receive } from './receive.ts';
import { send } from './send.ts';
import { type ServeOptions, serve } from './serve.ts';
import { workersOf } from './serve-workers.ts';
import { makeToken, readSecret } from './tokens.ts';
import type { VisitOptions } from './visitor.ts';

const USAGE = `hawser: real-time messaging over every transport

  hawser serve [APP] [--listen URL]... [--static DIR] [--secret FILE | --jwks FILE] [--origin URL]... [--insecure]
               [--trust-proxy ADDRESS]... [--workers N | --workers auto] [--api-key-file FILE]
               [--engine nats://… | redis://…] [--cluster NAME] [--node-name NAME] [--node-endpoint URL]...
               [--history SIZE,AGE] [--drain 5s] [--drain-delay 0s] [--watch-certificates]
               [--announce NAME [--group URL] [--key-file FILE]] [--json]
      serves the relay (rooms, direct messages, presence) and its page, or the application that the module APP exports;
      with --static the files of DIR are served on ws:, wss:, http: and https: endpoints;
      with --history 1000,5m rooms keep so many messages for so long, and who comes back is given what was missed
  hawser chat URL [--room ROOM] [--user NAME] [--token TOKEN | --token-file FILE] [--json]
      talks in a room; lines are said
  hawser tail URL [--room ROOM]... [...]
      prints what arrives, one JSON object a line
  hawser emit URL EVENT [JSON] [--room ROOM | --to USER] [...]
      publishes one event; by http(s)://…/api/publish with --api-key-file FILE, by nats:// or redis:// with --cluster NAME
  hawser call URL REQUEST [JSON] [--timeout MS] [...]
      asks once and prints the answer
  hawser receive --dir FOLDER [--listen URL]... [--token TOKEN | --token-file FILE] [--insecure] [--overwrite] [--once] [--json]
      takes files in; what was broken off goes on where it was
  hawser send FILE... URL [--token TOKEN | --token-file FILE] [--timeout MS] [--json]
      sends files, and folders with all that is in them, to hawser receive
  hawser publish URL TOPIC [JSON] [--key-file FILE] [--insecure] [--json]
      publishes on a bus of the local network (udp://239.192.0.1:3000?interface=eth0): one message, or each line of stdin
  hawser subscribe URL [PATTERN] [--key-file FILE] [--insecure] [--since now|store] [--once] [--json]
      prints the messages of such a bus, and tells what of them is lost
  hawser discover [NAME] [--group URL] [--key-file FILE] [--insecure] [--timeout MS] [--watch] [--json]
      lists the servers that announce themselves; hawser serve --announce NAME does, connect('lan:NAME') finds it
  hawser token --secret FILE --user NAME [--room PATTERN]... [--expires 1h]
      makes a token for a relay that was started with the same secret
  hawser keygen --out DIR [--names server.key,server.pub] [--json]
      makes a pair of keys for UDPack
  hawser cert --out DIR [--names cert.pem,key.pem] [--days 365] [--host NAME]... [--json]
      makes a certificate for localhost that vouches for itself, and its key, for https: and wss: while you develop

A token may also come from the environment: HAWSER_TOKEN; the engine: HAWSER_ENGINE. PORT changes the port of serve's page.
Exit codes: 0 ended, 1 failure, 2 usage, 3 refused by authentication, 4 timed out, 5 no engine, 6 refused by the engine.
`;

const OPTIONS = {
  listen: { type: 'string', multiple: true },
  origin: { type: 'string', multiple: true },
  room: { type: 'string', multiple: true },
  secret: { type: 'string' },
  jwks: { type: 'string' },
  history: { type: 'string' },
  workers: { type: 'string' },
  'watch-certificates': { type: 'boolean' },
  user: { type: 'string' },
  to: { type: 'string' },
  token: { type: 'string' },
  'token-file': { type: 'string' },
  timeout: { type: 'string' },
  expires: { type: 'string' },
  out: { type: 'string' },
  names: { type: 'string' },
  days: { type: 'string' },
  host: { type: 'string', multiple: true },
  static: { type: 'string' },
  insecure: { type: 'boolean' },
  dir: { type: 'string' },
  overwrite: { type: 'boolean' },
  once: { type: 'boolean' },
  'key-file': { type: 'string' },
  since: { type: 'string' },
  group: { type: 'string' },
  announce: { type: 'string' },
  watch: { type: 'boolean' },
  'trust-proxy': { type: 'string', multiple: true },
  'api-key-file': { type: 'string' },
  'node-name': { type: 'string' },
  'node-endpoint': { type: 'string', multiple: true },
  drain: { type: 'string' },
  'drain-delay': { type: 'string' },
  engine: { type: 'string' },
  cluster: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

/** Which options each command takes, beside --json and --help. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  serve: [
    'listen',
    'static',
    'origin',
    'secret',
    'jwks',
    'insecure',
    'trust-proxy',
    'api-key-file',
    'node-name',
    'node-endpoint',
    'drain',
    'drain-delay',
    'engine',
    'cluster',
    'history',
    'workers',
    'announce',
    'group',
    'key-file',
    'watch-certificates',
  ],
  chat: ['room', 'user', 'token', 'token-file', 'timeout'],
  tail: ['room', 'user', 'token', 'token-file', 'timeout'],
  emit: ['room', 'to', 'user', 'token', 'token-file', 'timeout', 'api-key-file', 'cluster'],
  call: ['user', 'token', 'token-file', 'timeout'],
  receive: ['dir', 'listen', 'token', 'token-file', 'insecure', 'overwrite', 'once'],
  send: ['token', 'token-file', 'timeout'],
  publish: ['key-file', 'insecure'],
  subscribe: ['key-file', 'insecure', 'since', 'once'],
  discover: ['group', 'key-file', 'insecure', 'timeout', 'watch'],
  token: ['secret', 'user', 'room', 'expires'],
  keygen: ['out', 'names'],
  cert: ['out', 'names', 'days', 'host'],
};

/** How many words each command needs. */
const NEEDS: Readonly<Record<string, number>> = {
  chat: 1,
  tail: 1,
  emit: 2,
  call: 2,
  send: 2,
  publish: 2,
  subscribe: 1,
};

/** Those whose work is for others than who reads what they print. */
const SERVES: ReadonlySet<string> = new Set(['serve', 'receive']);

type Values = ReturnType<typeof parse>['values'];

function parse(
  args: readonly string[],
): ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>> {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${firstSentence((error as Error).message)}. Try hawser --help`);
  }
}

/** What else the parser says is about words that begin with a hyphen, which no command of ours takes. */
function firstSentence(message: string): string {
  const [first = ''] = message.split(/\.\s/, 1);
  return first.replace('argument is ambiguous', 'needs a value');
}

/** @throws UsageError for a command that there isn't, an option that it doesn't take, words that it lacks. */
function checkCall(command: string, operands: readonly string[], values: Values): void {
  const takes = TAKES[command];
  if (takes === undefined) throw new UsageError(`there is no command '${command}'. Try hawser --help`);
  for (const name of Object.keys(values)) {
    if (name !== 'json' && !takes.includes(name)) throw new UsageError(`hawser ${command} takes no --${name}`);
  }
  if (operands.length < (NEEDS[command] ?? 0)) throw new UsageError(`something is missing: ${usageOf(command)}`);
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [command, ...operands] = positionals;
  const output = new Output(values.json ?? false, command !== undefined && SERVES.has(command));
  if (values.version) return print(`${version()}\n`);
  if (values.help) return print(USAGE);
  if (command === undefined) throw new UsageError('what shall it be? Try hawser --help');
  checkCall(command, operands, values);
  switch (command) {
    case 'serve':
      return serve(serveOptions(one(operands, 0, 1), values), output);
    case 'chat':
      return chat(visitOptions(one(operands, 1, 1), values), values.room?.[0] ?? 'lobby', output);
    case 'tail':
      return tail(visitOptions(one(operands, 1, 1), values), values.room ?? ['lobby'], output);
    case 'emit':
      if (isPushUrl(one(operands, 2, 3)[0] ?? '', values['api-key-file'])) return push(operands, values, output);
      refuse(values, ['api-key-file', 'cluster']);
      return emit(
        visitOptions(one(operands, 2, 3), values),
        { room: values.room?.[0], to: values.to },
        operands[1] ?? '',
        operands[2],
        output,
      );
    case 'call':
      return call(visitOptions(one(operands, 2, 3), values), operands[1] ?? '', operands[2], output);
    case 'publish': {
      const [url = '', topic = '', json] = one(operands, 2, 3);
      return publish(url, topic, json, trustOf(values), output);
    }
    case 'subscribe': {
      const [url = '', pattern = '*'] = one(operands, 1, 2);
      const { since, once = false } = values;
      return subscribe(url, pattern, { ...trustOf(values), since, once }, output);
    }
    case 'discover': {
      const { group, watch = false, timeout = '1000' } = values;
      const how = { ...trustOf(values), group, watch, timeout: timeoutOf({ ...values, timeout }) };
      return find(one(operands, 0, 1)[0], how, output);
    }
    case 'keygen':
      one(operands, 0, 0);
      if (values.out === undefined) throw new UsageError('hawser keygen needs --out DIR');
      return keygen(values.out, values.names, output);
    case 'cert':
      one(operands, 0, 0);
      if (values.out === undefined) throw new UsageError('hawser cert needs --out DIR');
      return cert({ out: values.out, names: values.names, days: values.days, hosts: values.host ?? [] }, output);
    case 'receive':
      return receiveInto(one(operands, 0, 0), values, output);
    case 'send':
      return send(operands.slice(0, -1), visitOptions(one(operands, 2, Infinity).slice(-1), values), output);
    default:
      return token(one(operands, 0, 0), values);
  }
}

/** The first line that USAGE has of a command. */
function usageOf(command: string): string {
  return new RegExp(`^ *(hawser ${command}\\b.*)$`, 'm').exec(USAGE)?.[1] ?? 'hawser --help';
}

function serveOptions([app]: readonly string[], values: Values): ServeOptions {
  return {
    app: app,
    listen: values.listen ?? [],
    static: values.static,
    origins: values.origin ?? [],
    insecure: values.insecure ?? false,
    trustProxy: values['trust-proxy'] ?? [],
    secret: values.secret,
    jwks: values.jwks,
    history: values.history === undefined ? undefined : historyOf(values.history),
    workers: values.workers === undefined ? undefined : workersOf(values.workers),
    watchCertificates: values['watch-certificates'] ?? false,
    apiKeyFile: values['api-key-file'],
    nodeName: values['node-name'],
    nodeEndpoints: values['node-endpoint'],
    drain: ms(values.drain),
    drainDelay: ms(values['drain-delay']),
    engine: values.engine,
    cluster: values.cluster,
    announce: values.announce,
    group: values.group,
    keyFile: values['key-file'],
  };
}

/** What `hawser emit` takes with URLs of another kind. */
function refuse(values: Values, names: readonly (keyof Values)[]): void {
  for (const name of names) {
    if (values[name] !== undefined) throw new UsageError(`hawser emit takes no --${name} with this URL`);
  }
}

function push([url = '', event = '', json]: readonly string[], values: Values, output: Output): Promise<number> {
  refuse(values, ['user', 'token', 'token-file']);
  const options = {
    url,
    room: values.room?.[0],
    user: values.to,
    apiKeyFile: values['api-key-file'],
    cluster: values.cluster ?? 'hawser',
    timeout: timeoutOf(values),
  };
  return pushTo(options, event, json, output);
}

function receiveInto(_none: readonly string[], values: Values, output: Output): Promise<number> {
  if (values.dir === undefined) throw new UsageError('hawser receive needs --dir FOLDER');
  return receive(
    {
      dir: values.dir,
      listen: values.listen ?? [],
      token: values.token,
      tokenFile: values['token-file'],
      insecure: values.insecure ?? false,
      overwrite: values.overwrite ?? false,
      once: values.once ?? false,
    },
    output,
  );
}

async function token(_none: readonly string[], { secret, user, room, expires }: Values): Promise<number> {
  if (secret === undefined || user === undefined)
    throw new UsageError('hawser token needs --secret FILE and --user NAME');
  return print(`${await makeToken(await readSecret(secret), user, room, seconds(expires ?? '1h'))}\n`);
}

/** `90s`, `15m`, `1h`, `7d`. */
export function seconds(text: string): number {
  const [, digits, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const factor = { s: 1, m: 60, h: 3600, d: 86_400 }[unit ?? ''];
  if (digits === undefined || factor === undefined)
    throw new UsageError(`a time looks like 90s, 15m, 1h or 7d, not ${text}`);
  return Number(digits) * factor;
}

/** `1000,5m`: messages of each room, and their age. */
function historyOf(text: string): { readonly size: number; readonly age: number } {
  const [, size, age] = /^(\d{1,9}),(\w+)$/.exec(text) ?? [];
  if (size === undefined || age === undefined) throw new UsageError(`a history looks like 1000,5m, not ${text}`);
  return { size: Number(size), age: seconds(age) * 1000 };
}

function ms(text: string | undefined): number | undefined {
  return text === undefined ? undefined : seconds(text) * 1000;
}

function visitOptions([url = '']: readonly string[], values: Values): VisitOptions {
  return { url, user: values.user, token: values.token, tokenFile: values['token-file'], timeout: timeoutOf(values) };
}

function trustOf(values: Values): LanTrust {
  return { keyFile: values['key-file'], insecure: values.insecure ?? false };
}

function timeoutOf(values: Values): number {
  const timeout = Number(values.timeout ?? 10_000);
  if (!(timeout > 0)) throw new UsageError(`--timeout takes ms, not ${values.timeout}`);
  return timeout;
}

function one(operands: readonly string[], least: number, most: number): readonly string[] {
  if (operands.length < least) throw new UsageError('something is missing. Try hawser --help');
  if (operands.length > most) throw new UsageError(`too many words: ${operands.slice(most).join(' ')}`);
  return operands;
}

function print(text: string): number {
  process.stdout.write(text);
  return EXIT.ended;
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

const REFUSED: ReadonlySet<string> = new Set(['ERR_AUTH_FAILED', 'ERR_AUTH_REQUIRED']);
const TIMED_OUT: ReadonlySet<string> = new Set(['ERR_TIMEOUT', 'ERR_LOGIN_TIMEOUT']);

/** One clear line, and the exit code that tells. */
function fail(error: unknown): number {
  const message = shown((error as Error).message);
  if (error instanceof UsageError) {
    process.stderr.write(`hawser: ${message}\n`);
    return EXIT.usage;
  }
  const { code } = error as { code?: string };
  if (error instanceof EngineFailure) {
    process.stderr.write(`hawser: the engine can't be used: ${code}: ${message}\n`);
    return error.isRefusal ? EXIT.engineRefused : EXIT.engineDown;
  }
  process.stderr.write(`hawser: ${code === undefined ? '' : `${code}: `}${message}\n`);
  if (code === 'ERR_URL' || code === 'ERR_OPTION') return EXIT.usage;
  if (code !== undefined && REFUSED.has(code)) return EXIT.refused;
  return code !== undefined && TIMED_OUT.has(code) ? EXIT.timedOut : EXIT.failure;
}

// A pipe that is still being written keeps the process until it is done; nothing else may.
process.exitCode = await run(process.argv.slice(2)).catch(fail);
// But a worker is kept by its primary, and would wait for what it is told.
if (thisWorker() !== undefined) process.exit();
