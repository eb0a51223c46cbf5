import { CLOSE, type CloseReason, FRAME_SLOT, type Outbound, prependHeader } from '../../core/index.ts';
import { MAGIC } from '../../transport/index.ts';

/** What a packet, or an unreliable datagram, holds: its first byte. docs/PROTOCOL.md 2.4. */
export const KIND = { binary: 0, text: 1, goodbye: 2 } as const;

/** The longest first packet, in bytes, of either side. */
export const PREFACE_MOST = 1024;
const CODE_BYTES = 2;

const BINARY = Uint8Array.of(KIND.binary);
const TEXT = Uint8Array.of(KIND.text);
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });
const lenient = new TextDecoder();

/** A message as a packet; made once for all links that it goes to. */
export function packetOf(message: Outbound): Uint8Array {
  const cached = message.frame(FRAME_SLOT.packet);
  if (cached !== undefined) return cached;
  const packet = prependHeader(message, message.text ? TEXT : BINARY);
  message.keepFrame(FRAME_SLOT.packet, packet);
  return packet;
}

/** The last packet of a side, on its main stream. */
export function goodbyeOf({ code, reason }: CloseReason): Uint8Array {
  const text = encoder.encode(reason);
  const packet = new Uint8Array(1 + CODE_BYTES + text.length);
  packet.set([KIND.goodbye, code >> 8, code & 0xff]);
  packet.set(text, 1 + CODE_BYTES);
  return packet;
}

/** What a goodbye says; undefined when it is none. */
export function reasonOf(packet: Uint8Array): CloseReason | undefined {
  const [kind, high = 0, low = 0] = packet;
  const code = high * 256 + low;
  if (kind !== KIND.goodbye || packet.length < 1 + CODE_BYTES || code < CLOSE.normal) return undefined;
  return { code, reason: lenient.decode(packet.subarray(1 + CODE_BYTES)) };
}

/** The first packet of a side: the protocols that a dialler offers, best first, or the one that the listener has taken. */
export function prefaceOf(protocols: readonly string[]): Uint8Array {
  const names = encoder.encode(protocols.join(' '));
  const packet = new Uint8Array(MAGIC.length + names.length);
  packet.set(MAGIC);
  packet.set(names, MAGIC.length);
  return packet;
}

/** The names in a first packet; undefined when it is none. */
export function protocolsOf(packet: Uint8Array): readonly string[] | undefined {
  if (packet.length > PREFACE_MOST || !MAGIC.every((byte, at) => packet[at] === byte)) return undefined;
  try {
    return decoder
      .decode(packet.subarray(MAGIC.length))
      .split(' ')
      .filter((name) => name !== '');
  } catch {
    return undefined;
  }
}
