/** What is known of a body. Types only: nothing here runs. */
export interface Head {
  key: number;
  url: string;
  type: string;
  size: number;
}

/** What the workers ask the primary. */
export interface CacheApi {
  toServer: {
    channels: {
      /** An event `head` with a `Head` comes back, then the bytes. */
      get: { key: number };
    };
    requests: {
      /** Fetches a URL, and keeps what it gets. */
      grab: (url: string) => Head;
      /** One body, or all of them. Answers with their number. */
      delete: (key?: number) => number;
      /** Ends the whole program. */
      stop: () => null;
    };
  };
}
