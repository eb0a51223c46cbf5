import { describe, expect, test } from 'vitest';
import { CLIENT, KEY, Pair, SERVER, TOKEN } from '../../test/support/udpack-pair.ts';
import { nodeCrypto } from '../udpack-endpoint/crypto.ts';
import { Endpoint } from './endpoint.ts';

describe('a session', () => {
  test('opens in two round trips, and tells the server the token', () => {
    const pair = new Pair();
    pair.run(() => pair.session.state === 'open');
    expect(pair.now).toBe(40);
    expect(pair.events('auth').map((event) => event.type === 'auth' && new Uint8Array(event.token))).toEqual([TOKEN]);
    expect(pair.session.handshakeHash).toEqual(pair.accepted?.handshakeHash);
  });

  test('opens with a cookie where nothing longer than 1200 bytes arrives', () => {
    const pair = new Pair({ limits: { halfOpenFree: 0 } });
    pair.mtu = 1200;
    pair.run(() => pair.session.state === 'open');
    expect(pair.server.stats).toMatchObject({ retries: 1, handshakes: 1 });
  });

  test('keeps little of what comes before the token is judged, and has all of it in the end', () => {
    const pair = new Pair();
    pair.prompt = false;
    const stream = pair.session.streams.open('packets');
    for (let at = 0; at < 10_000; at++) pair.session.streams.write(stream, Uint8Array.of(at), {}, 0);
    pair.run(() => pair.now >= 1500);
    expect(pair.accepted?.streams.memory().events).toBeLessThan(3000);
    pair.accepted?.accept();
    pair.run(() => pair.events('written', true).length === 10_000);
    const came = pair.events('packet').map((event) => event.type === 'packet' && event.bytes[0]);
    expect(came).toEqual(Array.from({ length: 10_000 }, (_, at) => at % 256));
  });

  test.each(['bbr', 'cubic', 'newreno'] as const)('carries a packet of a megabyte both ways with %s', (congestion) => {
    const pair = new Pair({ congestion });
    pair.drop = (_, count) => count % 50 === 49;
    const bytes = Uint8Array.from({ length: 1_000_000 }, (_, at) => at * 7);
    const stream = pair.session.streams.open('packets');
    pair.session.streams.write(stream, bytes, {}, 0);
    pair.run(() => pair.events('packet').length === 1);
    const accepted = pair.accepted;
    accepted?.streams.write(stream, bytes, {}, pair.now);
    pair.run(() => pair.events('packet', true).length === 1 && pair.events('written').length === 1);
    for (const event of [...pair.events('packet'), ...pair.events('packet', true)]) {
      expect(event.type === 'packet' && Buffer.compare(event.bytes, bytes)).toBe(0);
    }
  });

  test('closes on both sides, and is forgotten', () => {
    const pair = new Pair();
    pair.run(() => pair.session.state === 'open');
    pair.session.close(7, 'enough', pair.now);
    pair.run(() => pair.server.stats.sessions + pair.client.stats.sessions === 0);
    const closed = { type: 'closed', application: true, code: 7, fault: undefined, reason: 'enough' };
    expect(pair.events('closed', true)).toEqual([{ ...closed, by: 'self' }]);
    expect(pair.events('closed')).toEqual([{ ...closed, by: 'peer' }]);
  });

  test('goes on when the client is heard from another address', () => {
    const pair = new Pair();
    pair.run(() => pair.session.state === 'open');
    pair.clientAddress = { address: '10.0.0.9', port: 9 };
    const stream = pair.session.streams.open('packets');
    pair.session.streams.write(stream, new Uint8Array(100_000), {}, pair.now);
    pair.run(() => pair.events('packet').length === 1 && pair.events('written', true).length === 1);
    expect(pair.events('moved')).toEqual([{ type: 'moved', address: pair.clientAddress }]);
    expect(pair.accepted?.stats.address).toEqual(pair.clientAddress);
  });

  test('answers where the client is now, when what comes from there ends it', () => {
    const pair = new Pair({ datagramSize: 1200 }, { limits: { tokenBytes: 2 } });
    pair.run(() => pair.session.state === 'authenticating');
    pair.clientAddress = { address: '10.0.0.9', port: 9 };
    // A datagram from another address than the first one's: the token in it is too long.
    const destinations = new Set<string>();
    pair.drop = (fromClient) => {
      if (!fromClient && pair.server.destination.port > 0) destinations.add(pair.server.destination.address);
      return false;
    };
    pair.run(() => pair.session.ended);
    expect(pair.events('closed', true)).toMatchObject([{ by: 'peer', fault: 'token-refused' }]);
    expect([...destinations]).toEqual(['10.0.0.9']);
  });

  test('lives on when the peer has a shorter patience than keepalive', () => {
    const pair = new Pair({}, { times: { idle: 3000, keepalive: 0 } });
    pair.run(() => pair.now > 40_000);
    expect(pair.session.state).toBe('open');
  });

  test('learns from its keepalive, though that says nothing, that the server was started again', () => {
    const options = { crypto: nodeCrypto, key: KEY, resetSecret: new Uint8Array(32) };
    const pair = new Pair({ times: { idle: 0 } }, options);
    pair.run(() => pair.session.state === 'open');
    pair.server = new Endpoint(options, pair.now);
    const before = pair.now;
    pair.run(() => pair.session.ended);
    expect(pair.events('closed', true)).toMatchObject([{ by: 'peer', fault: 'stateless-reset' }]);
    expect(pair.now - before).toBeLessThan(11_000);
  });

  test('is told of GOAWAY once, however often it is said and sent', () => {
    const pair = new Pair();
    pair.run(() => pair.session.state === 'open');
    pair.accepted?.goaway(3, 'soon');
    pair.accepted?.goaway(4, 'sooner');
    // Its acks are lost, so that it is sent again.
    const until = pair.now + 500;
    let sent = 0;
    pair.drop = (fromClient) => {
      if (!fromClient) sent++;
      return fromClient && pair.now < until;
    };
    pair.run(() => pair.now > until);
    expect(sent).toBeGreaterThan(2);
    expect(pair.events('goaway', true)).toEqual([{ type: 'goaway', code: 3, reason: 'soon' }]);
  });

  test('ends after its idle time when the peer is gone', () => {
    const pair = new Pair();
    pair.run(() => pair.session.state === 'open');
    pair.drop = () => true;
    pair.run(() => pair.events('closed', true).length + pair.events('closed').length === 2);
    expect(pair.events('closed')).toMatchObject([{ by: 'self', fault: 'idle' }]);
  });
});

describe('a trace', () => {
  test('tells of each datagram that is sealed, opened or lost, of keys, figures, states, the path and the end', () => {
    const told: { name: string; data: Readonly<Record<string, unknown>>; now: number }[][] = [];
    const trace = () => {
      const events: (typeof told)[number] = [];
      told.push(events);
      return (name: string, data: Readonly<Record<string, unknown>>, now: number) =>
        void events.push({ name, data, now });
    };
    const pair = new Pair({ trace, keyLimits: { bytes: 200_000 } });
    pair.drop = (_, count) => count % 50 === 49;
    const stream = pair.session.streams.open('packets');
    pair.session.streams.write(stream, new Uint8Array(500_000), {}, 0);
    pair.run(() => pair.events('packet').length === 1);
    pair.clientAddress = { address: '10.0.0.9', port: 9 };
    pair.session.streams.write(stream, Uint8Array.of(1), {}, pair.now);
    pair.run(() => pair.events('packet').length === 2 && pair.events('moved').length === 1);
    const { datagramsSent, datagramsReceived, datagramsLost, keyUpdates } = pair.session.stats;
    pair.session.close(7, '', pair.now);
    pair.run(() => pair.server.stats.sessions + pair.client.stats.sessions === 0);

    const [client = [], server = []] = told;
    const count = (name: string): number => client.filter((event) => event.name === name).length;
    // INIT is not among them, and CLOSE neither.
    expect(count('transport:packet_sent')).toBe(datagramsSent - 1);
    expect(count('transport:packet_received')).toBeGreaterThanOrEqual(datagramsReceived);
    expect(count('recovery:packet_lost')).toBe(datagramsLost);
    expect(datagramsLost).toBeGreaterThan(0);
    expect(count('security:key_updated')).toBe(keyUpdates);
    expect(keyUpdates).toBeGreaterThan(0);
    expect(count('recovery:metrics_updated')).toBeGreaterThan(10);
    const states = client.flatMap(({ name, data }) => (name.endsWith('state_updated') ? [data['new']] : []));
    expect(states).toEqual(['authenticating', 'open', 'closing']);
    expect(server).toContainEqual(
      expect.objectContaining({
        data: { path_remote: { ip: '10.0.0.9', port: 9 } },
        name: 'connectivity:path_assigned',
      }),
    );
    expect(client.find(({ name }) => name === 'connectivity:connection_closed')).toMatchObject({
      data: { owner: 'local', application_code: 7 },
    });
    for (const events of told) {
      const times = events.map(({ now }) => now);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
  });
});

describe('an address that is forged', () => {
  test('loses its rate to the forger, and gets in with a cookie, which has a rate of its own', () => {
    const pair = new Pair({ limits: { handshakeRate: 1, handshakeBurst: 2 } });
    const out = new Uint8Array(2000);
    for (let forged = 0; forged < 5; forged++) {
      const session = pair.client.dial(SERVER, KEY.publicKey, TOKEN, pair.now);
      const length = session.transmit(out, pair.now);
      pair.server.receive(out.subarray(0, length), CLIENT, pair.now);
      session.close(0, '', pair.now);
    }
    expect(pair.server.stats).toMatchObject({ handshakes: 2, retries: 3, refused: 0 });
    pair.run(() => pair.session.state === 'open');
    expect(pair.session.state).toBe('open');
  });
});

describe('a polite end', () => {
  test('loses nothing that was acknowledged, though its reader had paused', () => {
    const pair = new Pair();
    pair.run(() => pair.session.state === 'open');
    const { streams } = pair.session;
    const stream = streams.open('packets');
    streams.write(stream, Uint8Array.of(1), {}, pair.now);
    pair.run(() => pair.events('packet').length === 1);
    pair.accepted?.streams.pause(stream);
    for (const byte of [2, 3, 4]) streams.write(stream, Uint8Array.of(byte), {}, pair.now);
    streams.end(stream);
    pair.session.finish(7, 'enough', pair.now);
    pair.run(() => pair.accepted?.ended === true);
    const heard = pair.serverEvents.flatMap((event) => (event.type === 'packet' ? [...event.bytes] : []));
    expect(heard).toEqual([1, 2, 3, 4]);
    expect(pair.serverEvents.slice(-2)).toMatchObject([
      { type: 'end', stream },
      { type: 'closed', by: 'peer', application: true, code: 7, reason: 'enough' },
    ]);
  });

  test('tells the writer what arrived, when the reader closes at once', () => {
    const pair = new Pair();
    pair.run(() => pair.session.state === 'open');
    const { streams } = pair.session;
    const write = streams.write(streams.open('packets'), Uint8Array.of(1), {}, pair.now);
    pair.run(() => pair.events('packet').length === 1);
    pair.accepted?.close(0, '', pair.now);
    pair.run(() => pair.session.ended);
    expect(pair.clientEvents.slice(-2)).toMatchObject([{ type: 'written', write }, { type: 'closed' }]);
  });

  test('does not tell what came to who closed without waiting', () => {
    const pair = new Pair();
    pair.run(() => pair.session.state === 'open');
    const { streams } = pair.session;
    const stream = streams.open('packets');
    streams.write(stream, Uint8Array.of(1), {}, pair.now);
    pair.run(() => pair.events('packet').length === 1);
    pair.accepted?.streams.pause(stream);
    streams.write(stream, Uint8Array.of(2), {}, pair.now);
    pair.run(() => streams.quiet);
    pair.accepted?.close(0, '', pair.now);
    pair.run(() => pair.accepted?.ended === true);
    expect(pair.events('packet')).toHaveLength(1);
  });
});
