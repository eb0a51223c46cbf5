/** Bytes of a file, from `start` up to and without `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * What a Range field asks of `size` bytes (RFC 9110 14): one span, the whole, or nothing that is there. Ranges that touch each other, or nearly, are one; where
 * more than one is left the whole is the answer, as 14.2 allows: several parts in one answer cost more than they are worth, and are a way to make a server
 * send much for little.
 */
export function spanOf(field: string | undefined, size: number): Span | 'whole' | 'unsatisfiable' {
  const [, list] = /^bytes=(.*)$/i.exec(field ?? '') ?? [];
  if (list === undefined || list.length > LIST_MOST) return 'whole';
  const spans: Span[] = [];
  for (const text of list.split(',')) {
    const asked = readSpan(text.trim(), size);
    if (asked === undefined) return 'whole';
    if (asked.start < asked.end) spans.push(asked);
  }
  return spans.length === 0 ? 'unsatisfiable' : (joined(spans) ?? 'whole');
}

/** Characters. Who asks for more ranges than fit there is given the whole. */
const LIST_MOST = 1024;
/** Bytes between two ranges that are sent rather than left out: what the head of a further part takes. */
const GAP_MOST = 80;

/** Empty where it asks for nothing that is there; undefined where it is no range. */
function readSpan(text: string, size: number): Span | undefined {
  const [, first = '', last = ''] = /^(\d*)-(\d*)$/.exec(text) ?? [];
  if (first === '') {
    if (last === '') return undefined;
    return { start: Math.max(0, size - Number(last)), end: size };
  }
  if (last !== '' && Number(last) < Number(first)) return undefined;
  return { start: Number(first), end: Math.min(size, last === '' ? size : Number(last) + 1) };
}

/** The one span that holds them all, if they leave no gap that is worth it. */
function joined(spans: readonly Span[]): Span | undefined {
  const [head, ...others] = spans.toSorted((a, b) => a.start - b.start);
  if (head === undefined) return undefined;
  let { end } = head;
  for (const span of others) {
    if (span.start > end + GAP_MOST) return undefined;
    end = Math.max(end, span.end);
  }
  return { start: head.start, end };
}
