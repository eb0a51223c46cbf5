// Clients as people write them who have a plain WebSocket and nothing else: the package `ws`, and no word of Hawser.
//   node examples/websocket/client.js hello|binary|broadcast|publish|push|chat [URL] [--name hsz]

import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';

/** @typedef {{ event: string, message: string }} Message */

process.on('uncaughtException', ({ message }) => {
  console.error(message);
  process.exit(1);
});

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string', default: 'hsz' } },
});
const [service = 'hello', url = `ws://localhost:3000/${service}`] = positionals;
const socket = new WebSocket(url);

/** @type {Record<string, () => void>} */
const clients = { hello, binary, broadcast: greet, publish: greet, push, chat };
const client = clients[service];
if (client) client();
else fail(`${service} is none of ${Object.keys(clients).join(', ')}`);
socket.on('close', () => console.log('disconnected'));
socket.on('error', (error) => fail(error.message));

function hello() {
  socket.on('open', () => socket.send('helloworld'));
  socket.on('message', (data) => {
    console.log(`received: ${textOf(data)}`);
    socket.send('close');
  });
}

function binary() {
  socket.binaryType = 'arraybuffer';
  socket.on('open', () => socket.send('helloworld'));
  socket.on('message', (data) => {
    const numbers = new Float32Array(/** @type {ArrayBuffer} */ (data));
    console.log(`received: ${numbers.length} numbers, the last is ${numbers.at(-1)}`);
    socket.close();
  });
}

function greet() {
  socket.on('open', () => say({ event: 'helloworld', message: values.name }));
  socket.on('message', (data) => console.log(`received: ${read(data).message}`));
}

function push() {
  socket.on('message', (data) => console.log(`the time: ${read(data).message}`));
}

/** Says who it is, asks who is there, and greets one of them, or all. */
function chat() {
  let token = '';
  socket.on('open', () => {
    console.log(`I'm ${values.name}`);
    say({ event: 'auth', message: 'auth', user: values.name });
  });
  socket.on('message', (data) => {
    const { event, message } = read(data);
    if (event === 'token') {
      token = message;
      say({ event: 'user_list', auth: token });
    } else if (event === 'user_list') {
      const others = /** @type {string[]} */ (/** @type {unknown} */ (message)).filter((name) => name !== values.name);
      console.log(`users: ${others.join(', ') || 'nobody else'}`);
      const [first] = others;
      if (others.length >= 2) {
        say({ event: 'talk_with', auth: token, with_cilents: [first], message: `hello ${first},I'm ${values.name}` });
      } else say({ event: 'talk_with', auth: token, message: `hello all,I'm ${values.name}` });
    } else console.log(`${event}: ${message}`);
  });
}

/** @param {object} message */
function say(message) {
  socket.send(JSON.stringify(message));
}

/** @param {WebSocket.RawData} data @returns {Message} */
function read(data) {
  return JSON.parse(textOf(data));
}

/** @param {WebSocket.RawData} data */
function textOf(data) {
  return Buffer.from(/** @type {ArrayBuffer} */ (data)).toString();
}

/** @param {string} why */
function fail(why) {
  console.error(`client: ${why}`);
  process.exitCode = 1;
  socket.terminate();
}
