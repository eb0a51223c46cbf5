/** Somebody in a room, by socket: one user may be there several times. */
export interface Member {
  readonly id: string;
  readonly user: string | null;
}

/** What the server has counted since it started; `sockets` and `links` are how many there are now. */
export interface Totals {
  readonly sockets: number;
  readonly links: number;
  readonly received: number;
  readonly sent: number;
}

/** What `hawser serve` answers when it runs without an application of its own. */
export interface RelayApi {
  readonly toServer: {
    readonly requests: {
      join: (data: { room: string }) => { room: string; members: readonly Member[] };
      publish: (data: { room: string; event: string; data: unknown }) => { members: number };
      message: (data: { user: string; event: string; data: unknown }) => unknown;
      stats: () => Totals;
    };
  };
  readonly toClient: {
    readonly events: { say: { text: string }; joined: unknown; left: unknown };
  };
}
