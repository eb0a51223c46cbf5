import type { Validators } from './conditions.ts';
import { type Encoding, SUFFIX } from './encodings.ts';
import type { Folder } from './folder.ts';
import type { ResolvedStaticOptions } from './options.ts';
import type { Fields } from './reply.ts';
import { StoredFile } from './stored-file.ts';
import { isCompressible, typeOf } from './types.ts';

/** What is sent for a path: a file, and how it is described. */
export interface Representation extends Validators {
  readonly file: StoredFile;
  /** Of an answer with all of it. */
  readonly fields: Fields;
  /** Of an answer that says that the client has it. */
  readonly unmodifiedFields: Fields;
}

/** Chooses between a file and what lies compressed beside it, and describes it. */
export class Representations {
  readonly #options: ResolvedStaticOptions;
  readonly #folder: Folder;
  /** By the file that is sent; each is the answer to one path only, as itself or in place of another. */
  readonly #plain: WeakMap<StoredFile, Representation> = new WeakMap();
  readonly #encoded: WeakMap<StoredFile, Representation> = new WeakMap();

  constructor(options: ResolvedStaticOptions, folder: Folder) {
    this.#options = options;
    this.#folder = folder;
  }

  /** `wanted`: the best first. */
  choose(path: string, plain: StoredFile, wanted: readonly Encoding[]): Representation | Promise<Representation> {
    let known = this.#plain.get(plain);
    if (known === undefined) {
      known = this.#describe(path, plain);
      this.#plain.set(plain, known);
    }
    return wanted.length > 0 && known.fields['vary'] !== undefined ? this.#lookBeside(path, known, wanted) : known;
  }

  async #lookBeside(path: string, plain: Representation, wanted: readonly Encoding[]): Promise<Representation> {
    const found = await Promise.all(wanted.map((encoding) => this.#folder.look(`${path}${SUFFIX[encoding]}`)));
    const at = found.findIndex((one) => one instanceof StoredFile && one.modified >= plain.file.modified);
    const [file, encoding] = [found[at], wanted[at]];
    if (!(file instanceof StoredFile) || encoding === undefined) return plain;
    const encoded = this.#encoded.get(file) ?? this.#describe(path, file, encoding);
    this.#encoded.set(file, encoded);
    return encoded;
  }

  #describe(path: string, file: StoredFile, encoding?: Encoding): Representation {
    const { headers, types, cacheControl, precompressed } = this.#options;
    const type = typeOf(path, types);
    const etag = encoding === undefined ? file.etag : file.etag.replace(/"$/, `-${encoding}"`);
    const unmodifiedFields: Fields = {
      ...headers,
      'cache-control': cacheControl(path),
      etag,
      ...(precompressed && isCompressible(type) ? { vary: 'Accept-Encoding' } : {}),
      'x-content-type-options': 'nosniff',
    };
    const fields: Fields = {
      ...unmodifiedFields,
      'content-type': type,
      'content-length': file.size,
      'last-modified': file.lastModified,
      'accept-ranges': 'bytes',
      ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
    };
    return { file, etag, lastModified: file.lastModified, fields, unmodifiedFields };
  }
}
