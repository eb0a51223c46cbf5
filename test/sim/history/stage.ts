import type { Engine, Entry } from '../../../src/engine/index.ts';
import type { Namespace } from '../../../src/room/index.ts';

/** All that the log of the room ever had: what its members are compared with. */
export interface TrueLog {
  /** Of the log that there is now. */
  readonly epoch: string;
  readonly all: ReadonlyMap<string, readonly Entry[]>;
  /** The offset of the last entry that is no longer kept, of each epoch. */
  readonly trimmed: ReadonlyMap<string, number>;
}

/** What keeps the log, and what lies between it and the nodes. */
export interface Stage {
  readonly log: TrueLog;
  makeEngine(): Engine;
  /** Something happens. */
  harm(nodes: readonly Namespace[]): void;
  /** Nothing happens any more, and all is told. */
  calm(nodes: readonly Namespace[]): void;
}
