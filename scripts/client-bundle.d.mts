/** Properties that get short names. */
export const INTERNAL: readonly string[];

/** The browser client as one file, its source map, and the modules in it with their bytes before the last minifier. */
export function bundleClient(): Promise<{
  readonly code: string;
  readonly map: string;
  readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>;
}>;
