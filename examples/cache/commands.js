// What can be typed. Bodies flow through in pieces: from the fetcher to the cache, and from the cache into a file.
import { createWriteStream } from 'node:fs';
import { Writable } from 'node:stream';
import { HawserError } from 'hawser';

/** @import { Channel, ServerSocket } from 'hawser' */
/** @import { CacheApi, Head } from './api.ts' */
/** @typedef {(name: string) => ServerSocket<CacheApi>} PartOf */

/**
 * Does what one line says.
 * @param {string} line
 * @param {PartOf} part
 */
export async function run(line, part) {
  const [command, first, second] = line.trim().split(/\s+/);
  switch (command) {
    case 'grab':
      return grab(needed(first, 'a URL'), part);
    case 'get':
      return get(Number(needed(first, 'a key')), second, part);
    case 'delete':
      return drop(first === undefined ? undefined : Number(first), part);
    case 'crash':
      part(needed(first, 'a part')).send('crash');
      return;
    default:
      throw new HawserError('BAD_COMMAND', 'the commands are grab URL, get KEY [FILE], delete [KEY], crash PART, stop');
  }
}

/**
 * @param {string} url
 * @param {PartOf} part
 */
async function grab(url, part) {
  const cache = part('cache');
  const from = part('fetcher').openChannel('grab', { url });
  from.end();
  const head = /** @type {Head} */ (await answer(from, 'head'));
  const to = cache.openChannel('put', head);
  const stored = answer(to, 'stored');
  // Whichever side fails, the other is told by its stream; which error was first is decided below.
  const piped = from.readable.pipeTo(to.writable);
  const [result] = await Promise.all([stored, piped]).catch(async (error) => {
    throw (await to.closed) ?? error;
  });
  const { key, size } = /** @type {{ key: number, size: number }} */ (result);
  console.log(`${key} is ${url}, ${size} bytes of ${head.type}`);
}

/**
 * @param {number} key
 * @param {string | undefined} file
 * @param {PartOf} part
 */
async function get(key, file, part) {
  const channel = part('cache').openChannel('get', { key });
  channel.end();
  const { url, type } = /** @type {Head} */ (await answer(channel, 'head'));
  if (file !== undefined) {
    const target = createWriteStream(file);
    await channel.readable.pipeTo(Writable.toWeb(target));
    console.log(`${key} is in ${file}, ${target.bytesWritten} bytes of ${type}`);
  } else if (/^text\/|json|xml/.test(type)) {
    console.log(`${key} is ${url}:\n${await new Response(channel.readable).text()}`);
  } else {
    await channel.readable.cancel();
    console.log(`${key} is ${url}, ${type}: say get ${key} FILE to have its bytes`);
  }
}

/**
 * @param {number | undefined} key
 * @param {PartOf} part
 */
async function drop(key, part) {
  console.log(`${await part('cache').request('delete', key)} deleted`);
}

/**
 * The data of the first event of this name on a channel; rejects with what ended the channel before it.
 * @param {Channel} channel
 * @param {string} event
 */
function answer(channel, event) {
  return new Promise((resolve, reject) => {
    channel.once(event, resolve);
    void channel.closed.then((error) => reject(error ?? new HawserError('ERR_CLOSED', 'ended without an answer')));
  });
}

/**
 * @param {string | undefined} word
 * @param {string} what
 */
function needed(word, what) {
  if (word === undefined) throw new HawserError('BAD_COMMAND', `needs ${what}`);
  return word;
}
