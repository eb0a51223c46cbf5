import { part } from './dom.ts';
import { milliseconds } from './words.ts';

/** Where the line stands, for style and tests. */
export type LineState = 'idle' | 'connecting' | 'up' | 'down' | 'reconnecting' | 'ended';

/** The strip at the top: state, transport, round trip. */
export class Status {
  /** Says where the line stands, in words of one's own. */
  show(state: LineState, text: string): void {
    part('status').dataset['state'] = state;
    part('state').textContent = text;
  }

  /** How the last link came up: `first`, `recovered` or `lost`. */
  cameUp(how: 'first' | 'recovered' | 'lost'): void {
    part('status').dataset['session'] = how;
    this.show('up', how === 'recovered' ? 'connected again' : 'connected');
  }

  facts(transport: string, rtt: number | undefined): void {
    part('transport').textContent = transport;
    part('rtt').textContent = milliseconds(rtt);
  }

  enter(room: string | undefined): void {
    const where = part('where');
    where.textContent = room ?? '';
    for (const name of ['where', 'facts', 'leave', 'panel-switch']) part(name).hidden = room === undefined;
  }
}
