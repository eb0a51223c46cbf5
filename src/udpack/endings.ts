import { type Ending, reasonBytes } from './closing.ts';
import { type CloseName, FAULT_CODES } from './faults.ts';
import type { SessionClosed } from './session-types.ts';

/** Endings that the peer isn't told: it is not there, or knows nothing of the session. */
const SILENT: ReadonlySet<CloseName | undefined> = new Set<CloseName>([
  'idle',
  'stateless-reset',
  'handshake-timeout',
  'version',
]);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function endingOf(fault: CloseName, reason: string = fault): Ending {
  return { application: false, code: FAULT_CODES[fault], reason: reasonOf(reason) };
}

/** The name of an ending that no application chose; undefined: an application did, or the number has no name. */
export function faultOf({ application, code }: Ending): CloseName | undefined {
  if (application) return undefined;
  for (const [name, number] of Object.entries(FAULT_CODES)) if (number === code) return name as CloseName;
  return undefined;
}

export function isSilent(ending: Ending): boolean {
  return SILENT.has(faultOf(ending));
}

/** What the application hears of an ending. */
export function closedEvent(ending: Ending, by: 'peer' | 'self'): SessionClosed {
  const { application, code, reason } = ending;
  return { type: 'closed', by, application, code, fault: faultOf(ending), reason: textOf(reason) };
}

/** A reason in at most 256 bytes of UTF-8. */
export function reasonOf(text: string): Uint8Array {
  return reasonBytes(text, (whole) => encoder.encode(whole));
}

export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
