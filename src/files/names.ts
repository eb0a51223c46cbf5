/** Why a name is not taken, as half a sentence that says what is wrong with it. */
export type NameFault = string;

/** Bytes of UTF-8 that one part of a name may have: what the usual file systems take. */
const PART_BYTES = 255;

/** What Windows takes for a device, whatever comes after a dot. Refused everywhere, so that a folder can be carried on. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:[ .:]|$)/i;
const DRIVE = /^[A-Za-z]:/;
/** Windows drops them at the end of a name, so that `.. ` would be `..`. */
const ONLY_DOTS = /^[. ]+$/;
/** What a receiver keeps beside the files that it has not got in full. */
const OURS = /^\.hawser-[0-9a-f]{24}\.(?:part|json)$/i;

/** What Windows has no place for in a name. */
const NOT_ON_WINDOWS = /[<>:"|?*\p{Cc}]|[. ]$/u;

export interface NameRules {
  /** UTF-8 bytes of a whole name. */
  readonly nameBytes: number;
  /** Folders that a file may be in, one in the other. */
  readonly folders: number;
  /** Whether the names are for a file system of Windows. */
  readonly windows: boolean;
}

/**
 * The parts of a name that a peer gave, folders first; or why it is refused. Parts are divided by `/`. No name that is taken leads out of
 * the folder that it is put in, on any platform, as long as no symbolic link is followed.
 */
export function partsOf(name: unknown, rules: NameRules): readonly string[] | NameFault {
  if (typeof name !== 'string' || name === '') return 'has no name';
  if (name.length > rules.nameBytes || Buffer.byteLength(name) > rules.nameBytes) {
    return `has more than ${rules.nameBytes} bytes`;
  }
  if (/\p{Cs}/u.test(name)) return 'is no Unicode text';
  if (name.includes('\0')) return 'has a NUL in it';
  if (name.includes('\\')) return 'has a backslash in it';
  if (name.startsWith('/')) return 'is absolute';
  const parts = name.split('/');
  if (parts.length - 1 > rules.folders) return `is in more than ${rules.folders} folders`;
  for (const part of parts) {
    const fault = faultOf(part, rules.windows);
    if (fault !== undefined) return fault;
  }
  return parts;
}

function faultOf(part: string, windows: boolean): NameFault | undefined {
  if (part === '') return 'has an empty part';
  if (ONLY_DOTS.test(part)) return 'has a part of dots';
  if (Buffer.byteLength(part) > PART_BYTES) return `has a part of more than ${PART_BYTES} bytes`;
  if (DRIVE.test(part)) return 'begins like a drive';
  if (DEVICE.test(part)) return 'is the name of a device';
  if (OURS.test(part)) return 'is a name that unfinished files have';
  return windows && NOT_ON_WINDOWS.test(part) ? 'is no name on Windows' : undefined;
}

/** A name as a line of text may show it: control characters, which could move a cursor, are written out; a long one is cut. */
export function shown(name: unknown): string {
  const text = typeof name === 'string' ? name : typeof name;
  const cut = text.length > 200 ? `${text.slice(0, 199)}…` : text;
  return `'${cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (one) => `\\u{${one.codePointAt(0)?.toString(16)}}`)}'`;
}
