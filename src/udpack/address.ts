/** Where datagrams come from and go to. Compared by value; the core reads nothing into it. */
export interface Address {
  /** An IP address without brackets; IPv6 in the form that the system tells, with its scope if it has one. */
  readonly address: string;
  readonly port: number;
}

export function sameAddress(a: Address, b: Address): boolean {
  return a === b || (a.port === b.port && a.address === b.address);
}
