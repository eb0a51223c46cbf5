/** The longest text of one message that the page shows, in UTF-16 code units. */
const MOST = 4000;

/** What was said, as one text, whatever a peer sent. */
export function describeData(event: string, data: unknown): string {
  if (typeof data === 'string') return cut(data);
  const text = event === 'say' && isObject(data) ? data['text'] : undefined;
  if (typeof text === 'string') return cut(text);
  return cut(JSON.stringify(data, sayable) ?? '');
}

/** What JSON has no word for. */
function sayable(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function cut(text: string): string {
  return text.length > MOST ? `${text.slice(0, MOST)}…` : text;
}

/** A time to read at a glance. */
export function milliseconds(ms: number | undefined): string {
  if (ms === undefined) return '–';
  return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** A rate to read at a glance. */
export function rate(perSecond: number): string {
  const tenths = Math.round(perSecond * 10) / 10;
  return (tenths < 10 ? tenths : Math.round(perSecond)).toLocaleString('en');
}
