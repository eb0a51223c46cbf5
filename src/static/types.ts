import { extname } from 'node:path';
import { mimes } from 'mrmime';

/** The media type of a file by its name; `own` types go by the name's ending without its dot, such as `{ md: 'text/markdown' }`. */
export function typeOf(name: string, own: Readonly<Record<string, string>>): string {
  const ending = extname(name).slice(1).toLowerCase();
  const given = ownOf(own, ending);
  if (given !== undefined) return given;
  const type = ownOf(mimes, ending) ?? 'application/octet-stream';
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type;
}

/** A file may be called `x.constructor`. */
function ownOf(table: Readonly<Record<string, string>>, ending: string): string | undefined {
  return Object.hasOwn(table, ending) ? table[ending] : undefined;
}

/** Whether it is worth to look for a compressed file beside one of this type. */
export function isCompressible(type: string): boolean {
  return COMPRESSIBLE.test(type);
}

const COMPRESSIBLE =
  /^text\/|[/+](?:json|xml|javascript|wasm|rtf|x-javascript|manifest\+json|vnd\.ms-fontobject)\b|^font\/(?:ttf|otf)|^image\/bmp/;
