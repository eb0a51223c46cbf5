/** How a file may lie compressed beside itself. */
export type Encoding = 'br' | 'gzip';

/** What is put behind the name. */
export const SUFFIX: Readonly<Record<Encoding, string>> = { br: '.br', gzip: '.gz' };

const NONE: readonly Encoding[] = [];

/** Those that an Accept-Encoding field allows and wants no less than the plain file, the best first (RFC 9110 12.5.3). */
export function encodingsOf(field: string | undefined): readonly Encoding[] {
  if (field === undefined || field === '') return NONE;
  const known = seen.get(field);
  if (known !== undefined) return known;
  const read = readEncodings(field);
  // Clients of one kind say the same.
  if (seen.size < SEEN_MOST && field.length <= FIELD_MOST) seen.set(field, read);
  return read;
}

const seen: Map<string, readonly Encoding[]> = new Map();
const SEEN_MOST = 64;
const FIELD_MOST = 128;

function readEncodings(field: string): readonly Encoding[] {
  const weights = new Map<string, number>();
  for (const text of field.toLowerCase().split(',')) {
    const [coding = '', ...parameters] = text.split(';').map((part) => part.trim());
    const weight = parameters.find((one) => one.startsWith('q='))?.slice(2) ?? '1';
    weights.set(coding === 'x-gzip' ? 'gzip' : coding, Number(weight) || 0);
  }
  const weightOf = (coding: string): number | undefined => weights.get(coding) ?? weights.get('*');
  const plain = weights.get('identity') ?? 0;
  return (['br', 'gzip'] as const)
    .map((coding) => ({ coding, weight: weightOf(coding) ?? 0 }))
    .filter(({ weight }) => weight > 0 && weight >= plain)
    .toSorted((a, b) => b.weight - a.weight)
    .map(({ coding }) => coding);
}
