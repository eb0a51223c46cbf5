/** What bounds the hub of a program's workers. Sizes in bytes, times in ms. */
export const HUB = {
  /** The longest message that goes through it whole; longer ones travel in pieces, and entries of logs are refused. */
  payloadBytes: 4_194_304,
  /** What waits for a worker that doesn't read, and on a worker for the hub; beyond it the connection is cut. */
  backlogBytes: 64_194_304,
  /** Subjects that one worker has subscribed to. */
  subscriptions: 2_000_000,
  /** Connections that one worker has. */
  connectionsPerWorker: 16,
  /** Connections that have not shown yet whose they are. */
  strangers: 64,
  /** Until a connection has shown whose it is. */
  joinWait: 5000,
  /** Bytes that one reading of a log brings; more is the gap `too-many`. */
  readingBytes: 16_777_216,
  /** What waits of datagrams that are forwarded; further ones are lost. */
  forwardBytes: 1_048_576,
  /** Logs of rooms; beyond it the one that was quiet longest is forgotten, and its readers are told the gap `epoch`. */
  logs: 100_000,
  /** Bytes of all entries; beyond it the logs that were quiet longest are emptied, and their readers are told the gap `expired`. */
  logBytes: 268_435_456,
  /** Until an answer of the hub, where the caller names no time. */
  answerWait: 5000,
  /** Until what was written before a close has left. */
  closeWait: 1000,
  /** Between two attempts of a worker to reach the hub: the first, and the longest. */
  retryLeast: 50,
  retryMost: 1000,
} as const;
