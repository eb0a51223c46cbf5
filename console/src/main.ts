import { HawserError } from 'hawser/client';
import { part, partOf } from './dom.ts';
import { Door, type Wish } from './door.ts';
import { Log } from './log.ts';
import { People } from './people.ts';
import { Status } from './status.ts';
import { Traffic } from './traffic.ts';
import { Visit, type VisitHandler } from './visit.ts';

/** How often the server is asked for its figures and the round trip is measured, ms. */
const EVERY = 1000;

const status = new Status();
const log = new Log(part('log'));
const traffic = new Traffic();
const people = new People(part('people'), (user) => composer.to(user));
const door = new Door(
  (wish) => void enter(wish),
  () => attempt?.abort(),
);
let visit: Visit | undefined;
let attempt: AbortController | undefined;
let asking = false;

const handler: VisitHandler = {
  onMembers: (members, self) => {
    part('count').textContent = String(people.show(members, self));
  },
  onPresence: (member, here) => void log.note('presence', `${member.user ?? member.id} ${here ? 'joined' : 'left'}`),
  onHeard: (heard) => log.heard(heard),
  onSaid: (said) => log.said(said),
  onUp: ({ recovered, unacknowledged }) => {
    status.cameUp(recovered === true ? 'recovered' : 'lost');
    if (recovered === true) log.note('recovered', 'connected again: nothing was lost');
    else log.lost(unacknowledged);
  },
  onHistory: (text) => void log.note('history', text),
  onDown: (reason) => {
    status.show('down', 'the link is down');
    log.note('down', reason === '' ? 'the link broke' : `the link broke: ${reason}`);
  },
  onReconnecting: (count, delay) =>
    status.show('reconnecting', `trying again in ${(delay / 1000).toFixed(1)} s, attempt ${count}`),
  onTrouble: (text) => void log.note('trouble', text),
  onEnd: (error) => goOut(error?.message ?? ''),
};

/** What one writes with: to the room, or to one user. */
const composer = {
  user: undefined as string | undefined,
  to(user: string | undefined): void {
    this.user = user;
    part('to').hidden = user === undefined;
    part('to-name').textContent = user ?? '';
    showPanel(false);
    part('text').focus();
  },
};

part('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const field = partOf('text', HTMLInputElement);
  if (visit === undefined || field.value.trim() === '') return;
  log.said(visit.say(field.value, composer.user));
  field.value = '';
});
part('to-all').addEventListener('click', () => composer.to(undefined));
part('leave').addEventListener('click', () => visit?.leave());
part('panel-switch').addEventListener('click', () =>
  showPanel(part('panel-switch').getAttribute('aria-expanded') === 'false'),
);
setInterval(() => void measure(), EVERY);
door.open();

async function enter({ room, name, token }: Wish): Promise<void> {
  attempt = new AbortController();
  status.show('connecting', 'connecting');
  door.busy(true);
  log.clear();
  traffic.clear();
  try {
    const url = location.origin.replace(/^http/, 'ws');
    visit = await Visit.begin({ url, room, user: name, token, signal: attempt.signal }, handler);
    goIn(visit);
  } catch (error) {
    status.show('idle', 'not connected');
    refuse(error);
  } finally {
    door.busy(false);
  }
}

function goIn({ room, socket }: Visit): void {
  history.replaceState(null, '', `#${encodeURIComponent(room)}`);
  status.cameUp('first');
  status.facts(socket.transport, socket.rtt);
  status.enter(room);
  door.close();
  part('inside').hidden = false;
  composer.to(undefined);
  void measure();
}

function goOut(problem: string): void {
  visit = undefined;
  status.show('ended', 'not connected');
  status.enter(undefined);
  showPanel(false);
  part('inside').hidden = true;
  door.complain(problem);
  door.open();
}

function refuse(error: unknown): void {
  const code = error instanceof HawserError ? error.code : '';
  if (code === 'ERR_ABORTED') return;
  door.complain(error instanceof Error ? `${error.message}${code === '' ? '' : ` (${code})`}` : String(error));
  if (code === 'ERR_AUTH_REQUIRED' || code === 'ERR_AUTH_FAILED') door.askForToken();
}

/** Asks for the server's figures, one question at a time, and shows the round trip measured last. */
async function measure(): Promise<void> {
  const asked = visit;
  if (asked === undefined || asking || asked.socket.state !== 'up') return;
  asking = true;
  try {
    asked.socket.ping();
    traffic.add(await asked.stats(), performance.now());
    if (asked === visit) status.facts(asked.socket.transport, asked.socket.rtt);
    part('traffic-note').hidden = true;
  } catch (error) {
    part('traffic-note').textContent = `no figures: ${error instanceof Error ? error.message : String(error)}`;
    part('traffic-note').hidden = false;
  } finally {
    asking = false;
  }
}

/** On a narrow screen the panel lies over the conversation. */
function showPanel(shown: boolean): void {
  document.body.classList.toggle('panel-shown', shown);
  part('panel-switch').setAttribute('aria-expanded', String(shown));
  if (shown) traffic.draw();
}
