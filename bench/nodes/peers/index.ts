import type { PeerName, Task } from '../orders.ts';

/** A node that is measured. */
export interface Node {
  readonly port: number;
  /** Members of `all` on all nodes. */
  count(): Promise<number>;
  /** Has each socket join so many rooms of its own: their names. */
  join(each: number): readonly string[];
  /** Sends one message to a room. */
  send(room: string): void;
}

/** A process loads what it measures, and nothing else. */
export async function serve(peer: PeerName, task: Task): Promise<Node> {
  return peer === 'hawser'
    ? (await import('./hawser.ts')).serveHawser(task)
    : (await import('./socket-io.ts')).serveSocketIo(task);
}
