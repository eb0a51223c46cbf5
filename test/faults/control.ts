/** What the harness and the nodes say to each other, over the channel between parent and child. */

export type EngineChoice =
  | { readonly kind: 'memory' }
  /** So many workers. */
  | { readonly kind: 'cluster'; readonly workers: number }
  | { readonly kind: 'nats'; readonly servers: readonly string[]; readonly replicas: number }
  | { readonly kind: 'redis'; readonly url: string; readonly payloadBytes: number };

export interface HistoryChoice {
  readonly pattern: string;
  readonly size: number;
  /** ms */
  readonly age: number;
}

export interface NodeOptions {
  readonly name: string;
  readonly engine: EngineChoice;
  readonly history: readonly HistoryChoice[];
  /** Times of the server, ms. */
  readonly times: Readonly<Record<string, number>>;
}

export interface Commands {
  /** The names of the nodes that it takes for alive, itself included. */
  nodes: { readonly ask: undefined; readonly answer: readonly string[] };
  /** Ids of the sockets that it knows in a room. */
  members: { readonly ask: { readonly room: string }; readonly answer: readonly string[] };
  /** Moves its time of day by ms. */
  clock: { readonly ask: { readonly offset: number }; readonly answer: undefined };
  /** Ends politely, within ms; the process ends, too. */
  drain: { readonly ask: { readonly wait: number }; readonly answer: undefined };
  /** Replaces all workers, one after the other. For a primary. */
  restart: { readonly ask: undefined; readonly answer: undefined };
  /** What went wrong and was told to nobody else, by code. */
  errors: { readonly ask: undefined; readonly answer: Readonly<Record<string, number>> };
}
export type Command = keyof Commands;

export interface Question {
  readonly id: number;
  readonly command: Command;
  readonly ask: unknown;
  /** For a worker of the process, by its process id; otherwise for the process itself. */
  readonly worker?: number;
}

export type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string };

/** Told once, when it listens; of a primary, when its workers do. */
export interface Ready {
  readonly ready: true;
  readonly life: string;
  readonly pid: number;
  readonly endpoints: readonly string[];
}

/** What a primary tells of its workers. */
export type WorkerNews =
  | { readonly worker: 'ready'; readonly pid: number; readonly life: string; readonly endpoints: readonly string[] }
  | { readonly worker: 'ended'; readonly pid: number; readonly words: string };

export interface PublishRequest {
  readonly room: string;
  readonly number: number;
  readonly id: string;
  /** How much longer than nothing it is to be, bytes. */
  readonly size: number;
}

/** Where it stands; without a place in a room without history. */
export interface PublishAnswer {
  readonly place?: { readonly offset: number; readonly epoch: string };
}
