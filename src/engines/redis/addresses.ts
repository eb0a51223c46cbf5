/** One server. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Which slots a server has. */
export interface Share {
  readonly address: Address;
  readonly ranges: readonly (readonly [from: number, to: number])[];
}

export function textOf({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What `textOf` made of it. */
export function addressOf(text: string): Address {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) };
}

/** The answer to CLUSTER SLOTS, by server. A server that doesn't know its own name is the one that was asked. */
export function sharesOf(answer: unknown, asked: Address): readonly Share[] {
  const shares = new Map<string, { readonly address: Address; readonly ranges: [number, number][] }>();
  for (const [from, to, master] of answer as [number, number, [string | null, number]][]) {
    const [host, port] = master;
    const address = { host: host === null || host === '' || host === '?' ? asked.host : host, port };
    const share = shares.get(textOf(address)) ?? { address, ranges: [] };
    share.ranges.push([from, to]);
    shares.set(textOf(address), share);
  }
  return [...shares.values()];
}
