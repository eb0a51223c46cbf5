/** Properties that get short names. */
export const INTERNAL: readonly string[];

/** One file of the client, its source map, and the modules in it with their bytes before the last minifier. */
export interface ClientFile {
  readonly name: string;
  readonly code: string;
  readonly map: string;
  readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>;
}

/** The browser client. */
export function bundleClient(): Promise<ClientFile>;
/** What it loads when it needs it. */
export function bundleLater(): Promise<ClientFile>;
