import type { Address } from './address.ts';
import { createController } from './congestion/index.ts';
import type { Control } from './control.ts';
import type { Crypto } from './crypto.ts';
import type { RemoteId } from './ids.ts';
import { MTU_LEAST } from './mtu.ts';
import type { Parameters } from './options.ts';
import { Path } from './path.ts';
import { Paths } from './paths.ts';
import type { Session } from './session.ts';
import type { SessionOptions, SessionStats } from './session-types.ts';

export interface SessionPathsInit {
  readonly options: SessionOptions;
  readonly control: Control;
  readonly peer: Parameters;
  /** Where the peer is, and its first id. */
  readonly address: Address;
  readonly remote: RemoteId;
}

/** The ways to a session's peer, the first of which is known. */
export function makePaths(session: Session, { options, control, peer, address, remote }: SessionPathsInit): Paths {
  const { host, crypto, congestion, trace } = options;
  const datagramSize = Math.min(options.datagramSize, peer.datagramSize);
  const makePath = (to: Address, id: RemoteId): Path => {
    const controller = createController(congestion, { datagramSize: MTU_LEAST, random: () => unit(crypto) });
    return new Path({
      address: to,
      remote: id,
      controller,
      datagramSize,
      ackDelay: peer.ackDelay,
      proved: false,
      trace,
    });
  };
  return new Paths({
    crypto,
    control,
    first: makePath(address, remote),
    newId: () => host.newId(session),
    dropId: (id) => host.dropId(id),
    resetToken: (id) => host.resetToken(id),
    makePath,
    using: ({ resetToken }) => resetToken && host.expectReset(resetToken, session),
    left: ({ resetToken }) => resetToken && host.forgetReset(resetToken),
  });
}

type PathStats = Pick<
  SessionStats,
  | 'address'
  | 'rtt'
  | 'rttLeast'
  | 'rttVariation'
  | 'window'
  | 'inFlight'
  | 'pacingRate'
  | 'datagramSize'
  | 'datagramsLost'
  | 'datagramsLostInError'
  | 'probeTimeouts'
>;

/** Figures of the path in use; of none before there are keys. */
export function pathStats(path: Path | undefined, address: Address): PathStats {
  const trips = path?.recovery.trips;
  return {
    address: path?.address ?? address,
    rtt: trips?.smoothed ?? 0,
    rttLeast: trips?.least ?? 0,
    rttVariation: trips?.variation ?? 0,
    window: path?.controller.window ?? 0,
    inFlight: path?.recovery.inFlight ?? 0,
    pacingRate: (path?.controller.pacingRate ?? 0) * 1000,
    datagramSize: path?.mtu.size ?? MTU_LEAST,
    datagramsLost: path?.recovery.lostCount ?? 0,
    datagramsLostInError: path?.recovery.spuriousCount ?? 0,
    probeTimeouts: path?.recovery.timeouts ?? 0,
  };
}

/** A number in [0, 1). */
function unit(crypto: Pick<Crypto, 'random'>): number {
  const [a = 0, b = 0, c = 0] = crypto.random(3);
  return (a * 65_536 + b * 256 + c) / 2 ** 24;
}
