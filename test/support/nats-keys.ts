import { createHash } from 'node:crypto';
import { nkeys } from '@nats-io/transport-node';

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** A user who logs in by an nkey, and what a server's configuration says of it. */
export function nkeyUser(): { readonly seed: string; readonly config: string } {
  const user = nkeys.createUser();
  return { seed: seedOf(user), config: `authorization { users: [ { nkey: ${user.getPublicKey()} } ] }` };
}

/** An operator with one account, by the configuration of a server; users get a file with a JWT and a seed. */
export class NatsOperator {
  readonly #operator: KeyPair = nkeys.createOperator();
  readonly #account: KeyPair = nkeys.createAccount();

  get config(): string {
    const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
    const account = jwtOf(this.#operator, this.#account.getPublicKey(), { type: 'account', limits });
    const operator = jwtOf(this.#operator, this.#operator.getPublicKey(), { type: 'operator' });
    return `operator: ${operator}\nresolver: MEMORY\nresolver_preload: { ${this.#account.getPublicKey()}: ${account} }`;
  }

  /** The text of a credentials file for a new user. `until`: seconds since 1970. */
  credentials(until?: number): string {
    const user = nkeys.createUser();
    const claims = { type: 'user', subs: -1, data: -1, payload: -1 };
    const jwt = jwtOf(this.#account, user.getPublicKey(), claims, until);
    return [
      ...['-----BEGIN NATS USER JWT-----', jwt, '------END NATS USER JWT------', ''],
      ...['-----BEGIN USER NKEY SEED-----', seedOf(user), '------END USER NKEY SEED------', ''],
    ].join('\n');
  }
}

function jwtOf(issuer: KeyPair, subject: string, nats: object, until?: number): string {
  const claims = {
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    sub: subject,
    name: 'test',
    ...(until === undefined ? {} : { exp: until }),
    nats: { ...nats, version: 2 },
  };
  const jti = createHash('sha256').update(JSON.stringify(claims)).digest('hex');
  const signed = [
    { typ: 'JWT', alg: 'ed25519-nkey' },
    { jti, ...claims },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`;
}

const seedOf = (pair: KeyPair): string => Buffer.from(pair.getSeed()).toString();
