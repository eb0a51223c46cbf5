import type { Instant } from '../core/index.ts';
import type { Address } from './address.ts';

/** Addresses whose rate is remembered; the one that was quiet longest gives way. */
const ADDRESSES_MOST = 10_000;

/** How often each address may do something: a token bucket for each IPv4 address, and for each /64 of IPv6. */
export class AddressRates {
  readonly #perMs: number;
  readonly #burst: number;
  /** In the order of their last use. */
  readonly #buckets = new Map<string, { tokens: number; at: Instant }>();

  /**
   * @param perSecond How often in the long run.
   * @param burst How often at once.
   */
  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
  }

  /** Whether the address may now; if so, it counts. */
  allow({ address }: Address, now: Instant): boolean {
    const network = networkOf(address);
    const bucket = this.#buckets.get(network) ?? { tokens: this.#burst, at: now };
    bucket.tokens = Math.min(this.#burst, bucket.tokens + (now - bucket.at) * this.#perMs);
    bucket.at = now;
    this.#buckets.delete(network);
    this.#buckets.set(network, bucket);
    if (this.#buckets.size > ADDRESSES_MOST) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}

/** An IPv4 address as it is, of an IPv6 address the first four groups. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = address.lastIndexOf('.') < 0 ? undefined : address.slice(address.lastIndexOf(':') + 1);
  if (mapped !== undefined) return mapped;
  const [before = '', after] = address.split('%', 1)[0]?.split('::') ?? [];
  const head = before === '' ? [] : before.split(':');
  if (after === undefined) return head.slice(0, 4).join(':');
  const tail = after === '' ? [] : after.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0');
  return [...head, ...zeros, ...tail].slice(0, 4).join(':');
}
