/** What a part knows of a body before its bytes. Types only: nothing here runs. */
export interface Head {
  url: string;
  type: string;
}

/** What the main program and its parts say to each other; each part takes what is meant for it. */
export interface CacheApi {
  toServer: {
    /** The cache let go of a body by itself. */
    events: { dropped: { key: number; why: string } };
  };
  toClient: {
    channels: {
      /** To the fetcher: an event `head` with a `Head` comes back, then the bytes. */
      grab: { url: string };
      /** To the cache: bytes follow; an event `stored` comes back. */
      put: Head;
      /** To the cache: an event `head` with a `Head` and the size comes back, then the bytes. */
      get: { key: number };
    };
    requests: {
      /** To the cache: one body, or all without a key. Answers with their number. */
      delete: (key?: number) => number;
    };
    /** To any part: fail, to see what the others are told. */
    events: { crash: undefined };
  };
}
