/** The longest path of a namespace, in UTF-16 code units, and the most segments it has. */
export const PATH_LENGTH = 1024;
export const PATH_SEGMENTS = 32;

/** What a pattern's path took the place of its names, by name; a tail without a name is `*`. */
export type Params = Readonly<Record<string, string>>;

/** What the type of a pattern's text says of its parameters; any names where the text is known at run time only. */
export type ParamsOf<P extends string> = string extends P ? Params : { readonly [Name in NamesOf<Segment<P>>]: string };
type Segment<P extends string> = P extends `${infer First}/${infer Rest}` ? First | Segment<Rest> : P;
type NamesOf<S extends string> = S extends '*' ? '*' : S extends `:${infer Name}` | `*${infer Name}` ? Name : never;

/** Whether the type of a path says that it is a pattern. */
export type IsPattern<P extends string> = P extends `${string}/:${string}` | `${string}/*${string}` ? true : false;

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'tail'; readonly name: string };

/** A path with names in it, taken apart. */
export interface PathPattern {
  readonly path: string;
  readonly parts: readonly Part[];
}

/**
 * The path as a namespace is called by it; undefined when it can be none. One slash at the end is dropped, case counts, and nothing
 * else is changed: empty segments, `.` and `..`, backslashes and control characters are refused, not mended.
 */
export function normalPath(path: string): string | undefined {
  if (path.length > PATH_LENGTH || !path.startsWith('/')) return undefined;
  if (path === '/') return path;
  const plain = path.endsWith('/') ? path.slice(0, -1) : path;
  const segments = segmentsOf(plain);
  return segments.length <= PATH_SEGMENTS && segments.every(isSegment) ? plain : undefined;
}

/** Whether the path has the marks of a pattern, which no peer may ask for. */
export function isPattern(path: string): boolean {
  return path.includes('/:') || path.includes('/*');
}

/** A normal path taken apart; undefined when its names are not 1 to n, each once, with a tail at the end alone. */
export function parsePattern(path: string): PathPattern | undefined {
  const parts = segmentsOf(path).map(partOf);
  const names = parts.flatMap((part) => (part.kind === 'text' ? [] : [part.name]));
  if (names.includes('') || new Set(names).size < names.length) return undefined;
  return parts.slice(0, -1).some(({ kind }) => kind === 'tail') ? undefined : { path, parts };
}

/**
 * What stands for the pattern's names in a normal path; undefined when it doesn't fit. One look at each segment: there is nothing
 * to try again. A tail takes one segment or more.
 */
export function matchPattern({ parts }: PathPattern, path: string): Params | undefined {
  const segments = path === '/' ? [] : segmentsOf(path);
  const tailed = parts.at(-1)?.kind === 'tail';
  if (tailed ? segments.length < parts.length : segments.length !== parts.length) return undefined;
  if (parts.some((part, at) => part.kind === 'text' && part.text !== segments[at])) return undefined;
  const params = Object.create(null) as Record<string, string>;
  parts.forEach((part, at) => {
    if (part.kind === 'name') params[part.name] = segments[at] ?? '';
    if (part.kind === 'tail') params[part.name] = segments.slice(at).join('/');
  });
  return params;
}

const RANK = { text: '0', name: '1', tail: '2' } as const;

/**
 * Sorts patterns so that the first that fits is the most telling: at the first segment where two differ in kind, text comes before
 * a name and a name before a tail.
 */
export function comparePatterns(a: PathPattern, b: PathPattern): number {
  const [first, second] = [rankOf(a), rankOf(b)];
  return first < second ? -1 : first > second ? 1 : 0;
}

function rankOf({ parts }: PathPattern): string {
  return parts.map(({ kind }) => RANK[kind]).join('');
}

/** Whether two patterns fit exactly the same paths. */
export function isSamePattern(a: PathPattern, b: PathPattern): boolean {
  return shapeOf(a) === shapeOf(b);
}

function shapeOf({ parts }: PathPattern): string {
  return parts.map((part) => (part.kind === 'text' ? part.text : part.kind === 'name' ? ':' : '*')).join('/');
}

function partOf(segment: string): Part {
  if (segment.startsWith(':')) return { kind: 'name', name: segment.slice(1) };
  if (segment.startsWith('*')) return { kind: 'tail', name: segment.slice(1) || '*' };
  return { kind: 'text', text: segment };
}

/** Bounded by the path's length, which was checked before. */
function segmentsOf(path: string): string[] {
  return path.slice(1).split('/');
}

function isSegment(segment: string): boolean {
  if (segment === '' || segment === '.' || segment === '..') return false;
  for (let at = 0; at < segment.length; at++) {
    const unit = segment.charCodeAt(at);
    if (unit < 0x20 || unit === 0x5c || unit === 0x7f) return false;
  }
  return true;
}
