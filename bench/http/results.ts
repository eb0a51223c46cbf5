import type { Recorded } from '../recorded.ts';

export type Protocol = 'HTTP/2' | 'HTTP/1.1';

export interface HttpCase {
  readonly protocol: Protocol;
  /** Bytes of the file that is asked for. */
  readonly bytes: number;
}

export interface HttpPlan {
  readonly contestants: readonly string[];
  readonly cases: readonly HttpCase[];
  readonly seconds: number;
}

export interface HttpRow extends HttpCase {
  readonly repetition: number;
  readonly contestant: string;
  readonly perSecond: number;
  /** Of all processes and threads of the server, for one request. */
  readonly cpuUs: number;
  /** Cores that others than server and load kept busy meanwhile. */
  readonly othersCores: number;
}

export type HttpResult = Recorded<HttpPlan, HttpRow>;
