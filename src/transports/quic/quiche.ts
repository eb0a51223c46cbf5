import type { native } from '@matrixai/quic';
import { HawserError } from '../../core/index.ts';

/** The protocol machine of the package @matrixai/quic: quiche, in Rust. What the package wraps around it is not used: docs/decisions/quic.md. */
export type Quiche = native.Quiche;
export type Machine = native.Connection;
export type MachineConfig = native.Config;

/** The length of the connection ids that we choose, in bytes (RFC 9000 5.1). */
export const ID_BYTES = 20;

/** The machine. @throws HawserError ERR_UNSUPPORTED that says what to install. */
export async function loadQuiche(load: () => Promise<Quiche> = importQuiche): Promise<Quiche> {
  try {
    return await load();
  } catch (cause) {
    const how = 'npm install @matrixai/quic';
    throw new HawserError(
      'ERR_UNSUPPORTED',
      `quic: needs a package of its own, with binaries for this platform: ${how}`,
      {
        cause,
      },
    );
  }
}

async function importQuiche(): Promise<Quiche> {
  return (await import('@matrixai/quic/native/quiche.js')).default;
}
