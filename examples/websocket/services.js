// What the server does at each path. In the `raw` dialect a text or binary message is the event `message`, as it is.

import { randomBytes } from 'node:crypto';

/** @import { NamespacePattern, ServerNamespace, ServerSocket } from 'hawser' */
/** @typedef {{ event: string } & Record<string, unknown>} Message */

/** Says hello, and closes when it is told to. @param {ServerNamespace} namespace */
export function hello(namespace) {
  namespace.on('connection', (socket) => {
    socket.on('message', (message) => {
      if (message === 'close') socket.close(1000, '');
      else socket.send('message', message === 'helloworld' ? 'Hello World' : 'unkonwn command');
    });
  });
}

/** Ten thousand numbers for whoever says helloworld; numbers that come go back. @param {ServerNamespace} namespace */
export function binary(namespace) {
  const numbers = Float32Array.from({ length: 10_000 }, (_, i) => i / 2);
  namespace.on('connection', (socket) => {
    socket.on('message', (message) => {
      if (message === 'helloworld') socket.send('message', new Uint8Array(numbers.buffer));
      else if (message === 'close') socket.close(1000, '');
      else socket.send('message', typeof message === 'string' ? 'unkonwn command' : message);
    });
  });
}

/** Greets everybody in the name of one. @param {ServerNamespace} namespace */
export function broadcast(namespace) {
  namespace.on('connection', (socket) => {
    greetings(socket, (text) => namespace.send('message', text));
  });
}

/** Greets everybody else. @param {ServerNamespace} namespace */
export function publish(namespace) {
  namespace.on('connection', (socket) => {
    socket.join('all');
    greetings(socket, (text) => socket.to('all').send('message', text));
  });
}

/** The same in each channel, for itself. @param {NamespacePattern} pattern */
export function channel(pattern) {
  pattern.on('connection', (socket) => {
    socket.join('all');
    greetings(socket, (text) => socket.to('all').send('message', text));
  });
  pattern.on('open', (namespace) => console.log(`channel ${namespace.params['id']} is made`));
  pattern.on('close', (namespace) => console.log(`channel ${namespace.params['id']} is dropped`));
}

/** Tells everybody the time, every `ms`. @param {number} ms @returns {(namespace: ServerNamespace) => void} */
export function push(ms) {
  return (namespace) => {
    const timer = setInterval(() => {
      namespace.send('message', JSON.stringify({ event: 'time', message: new Date().toISOString() }));
    }, ms);
    // It keeps nobody from leaving.
    timer.unref();
  };
}

/** People with names who talk to all or to some, in the channel of `?id=`. @param {ServerNamespace} namespace */
export function chat(namespace) {
  /** The people of each channel. @type {Map<string, People>} */
  const channels = new Map();
  namespace.on('connection', (socket) => {
    const id = socket.handshake.query['id'] ?? '';
    const people = channels.get(id) ?? new People();
    channels.set(id, people);
    const person = people.enter(socket);
    socket.on('close', () => {
      people.leave(person);
      if (people.size === 0) channels.delete(id);
    });
    socket.on('message', (text) => {
      const message = parse(text, (why) => person.tell('error', why));
      if (message) person.hear(message);
    });
  });
}

/** Everybody in one channel. */
class People {
  /** @type {Set<Person>} */
  #all = new Set();
  /** @type {Map<string, Person>} */
  #named = new Map();

  get size() {
    return this.#all.size;
  }

  get names() {
    return [...this.#named.keys()];
  }

  /** @param {ServerSocket} socket */
  enter(socket) {
    const person = new Person(this, socket);
    this.#all.add(person);
    return person;
  }

  /** @param {Person} person */
  leave(person) {
    this.#all.delete(person);
    if (this.#named.get(person.name) === person) this.#named.delete(person.name);
  }

  /** False when somebody has this name. @param {string} name @param {Person} person */
  call(name, person) {
    if (this.#named.has(name)) return false;
    this.#named.delete(person.name);
    this.#named.set(name, person);
    return true;
  }

  /** @param {string} name */
  find(name) {
    return this.#named.get(name);
  }

  /** @param {Person} one */
  others(one) {
    return [...this.#all].filter((person) => person !== one);
  }
}

/** One client of the chat. */
class Person {
  name = '';
  /** What it must show with everything it asks; nobody can guess it. */
  #token = '';
  #people;
  #socket;

  /** @param {People} people @param {ServerSocket} socket */
  constructor(people, socket) {
    this.#people = people;
    this.#socket = socket;
  }

  /** @param {string} event @param {unknown} message */
  tell(event, message) {
    this.#socket.send('message', JSON.stringify({ event, message }));
  }

  /** @param {Message} message */
  hear(message) {
    switch (message.event) {
      case 'close':
        this.#socket.close(1000, '');
        break;
      case 'auth':
        this.#authenticate(message['user']);
        break;
      case 'user_list':
        if (this.#mayAsk(message['auth'])) this.tell('user_list', this.#people.names);
        break;
      case 'talk_with':
        if (this.#mayAsk(message['auth'])) this.#talk(message['with_cilents'], message['message']);
        break;
      case 'error':
        console.log(`error: ${String(message['message'])}`);
        break;
      default:
        this.tell('error', 'unkonwn command');
    }
  }

  /** @param {unknown} name */
  #authenticate(name) {
    if (typeof name !== 'string' || name === '' || name.length > 100) return this.#refuse('auth error,no user');
    if (!this.#people.call(name, this)) return this.#refuse('auth error,user name already exist');
    this.name = name;
    this.#token = randomBytes(16).toString('base64');
    this.tell('token', this.#token);
  }

  /** @param {unknown} token */
  #mayAsk(token) {
    if (!token) this.#refuse('auth error,no token');
    else if (this.#token === '' || token !== this.#token) this.#refuse('auth error,already closed');
    else return true;
    return false;
  }

  /** @param {string} why */
  #refuse(why) {
    this.tell('error', why);
    this.#socket.close(1000, why);
  }

  /** @param {unknown} names @param {unknown} message */
  #talk(names, message) {
    if (!Array.isArray(names)) {
      for (const other of this.#people.others(this)) other.tell('message', message);
      return;
    }
    for (const name of new Set(names)) {
      const other = this.#people.find(String(name));
      if (other) other.tell('message', message);
      else this.tell('error', `user ${this.name} send to ${String(name)} error`);
    }
  }
}

/**
 * `{"event":"helloworld","message":NAME}` greets, `{"event":"close"}` closes.
 * @param {ServerSocket} socket @param {(text: string) => void} send
 */
function greetings(socket, send) {
  socket.on('message', (text) => {
    const message = parse(text, (why) => socket.send('message', why));
    if (message?.event === 'helloworld') {
      send(JSON.stringify({ event: 'helloworld', message: `helloworld ${String(message['message'])}` }));
    } else if (message?.event === 'close') socket.close(1000, '');
    else if (message) socket.send('message', 'unkonwn command');
  });
}

/** @param {unknown} text @param {(why: string) => void} complain @returns {Message | undefined} */
function parse(text, complain) {
  try {
    const message = typeof text === 'string' ? JSON.parse(text) : undefined;
    if (typeof message?.event === 'string' && message.event !== '') return message;
    complain(message === undefined ? 'message is not json' : 'no event');
  } catch {
    complain('message is not json');
  }
  return undefined;
}
