import { HawserError, type Instant } from '../../core/index.ts';

/** Why the first connection did not come about. `servers` as `host:port`. */
export function connectFailure(error: unknown, servers: readonly string[]): HawserError {
  const where = servers.join(', ');
  const { name, message, code } = facts(error);
  if (isAuth(name)) return new HawserError('ERR_AUTH_FAILED', `NATS at ${where} refused the login`, { cause: error });
  const isTls = /TLS|SSL|CERT|SIGNATURE|ISSUER|ALTNAME/.test(code) || /tls|certificate/i.test(message);
  if (isTls) return new HawserError('ERR_TLS', `no safe connection to NATS at ${where}: ${message}`, { cause: error });
  return new HawserError('ERR_CONNECT_FAILED', `no NATS at ${where}: ${message || code || name}`, { cause: error });
}

/** What the server says of a connection that there is. */
export function serverFailure(error: unknown): HawserError {
  const { name, message } = facts(error);
  if (isAuth(name)) return new HawserError('ERR_AUTH_FAILED', `NATS refuses the login: ${message}`, { cause: error });
  if (name === 'PermissionViolationError') {
    return new HawserError('ERR_NOT_ALLOWED', `NATS does not allow it: ${message}`, { cause: error });
  }
  return new HawserError('ERR_ENGINE_DOWN', `NATS: ${message}`, { cause: error });
}

export function down(message: string, delivered: 'no' | 'unknown', cause?: unknown): HawserError {
  return new HawserError('ERR_ENGINE_DOWN', message, { delivered, cause });
}

/** What waiting doesn't change. */
export function isPermanent(error: unknown): boolean {
  return error instanceof HawserError && error.code !== 'ERR_ENGINE_DOWN';
}

function isAuth(name: string): boolean {
  return name === 'AuthorizationError' || name === 'UserAuthenticationExpiredError';
}

/** By name and not by class: two copies of the client may be installed. */
function facts(error: unknown): { readonly name: string; readonly message: string; readonly code: string } {
  if (!(error instanceof Error)) return { name: '', message: String(error), code: '' };
  const { cause } = error;
  const code = (error as { code?: unknown }).code ?? (cause as { code?: unknown } | undefined)?.code;
  return { name: error.name, message: error.message, code: typeof code === 'string' ? code : '' };
}

const REPORT_WAIT = 1000;

/** Reports that come again and again: one a second of each kind, the next one with how many were left out. */
export class RareReports {
  readonly #now: () => Instant;
  readonly #report: (error: unknown, during: string) => void;
  readonly #kinds = new Map<string, { at: Instant; left: number }>();

  constructor(now: () => Instant, report: (error: unknown, during: string) => void) {
    this.#now = now;
    this.#report = report;
  }

  /** `during` is the kind: one of a few words. */
  tell(error: unknown, during: string): void {
    const now = this.#now();
    const kind = this.#kinds.get(during);
    if (kind !== undefined && now - kind.at < REPORT_WAIT) {
      kind.left++;
      return;
    }
    this.#kinds.set(during, { at: now, left: 0 });
    this.#report(error, kind !== undefined && kind.left > 0 ? `${during} (and ${kind.left} more before)` : during);
  }
}
