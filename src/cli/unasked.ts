import { HawserError } from '../index.ts';

/** For what an endpoint that strangers reach won't do unasked: the library's words, and the options of the command that ask for it. */
export function naming(options: string): (error: HawserError) => never {
  return (error) => {
    // With a cause it is the system that doesn't let us.
    if (error.code !== 'ERR_NOT_ALLOWED' || error.cause !== undefined) throw error;
    throw new HawserError(error.code, `${error.message} (${options})`, { cause: error });
  };
}

export const SERVE_OPTIONS = 'here: --secret FILE, --jwks FILE or --insecure';
export const RECEIVE_OPTIONS = 'here: --token TOKEN, --token-file FILE or --insecure';
