import { HawserError } from '../core/index.ts';
import { type Dialect, lineDialect, plainCodec, rawDialect } from '../wire/index.ts';
import { type ConnectOptions, type PlainDialect, reporter } from './options.ts';

/** A dialect without hello by its name: `raw`, `line`, or one of the application's. @throws HawserError ERR_OPTION for any other. */
export function plain(name: string, options: ConnectOptions): PlainDialect {
  const own: Readonly<Record<string, Dialect>> = { ...options.dialects, raw: rawDialect, line: lineDialect };
  const dialect = Object.hasOwn(own, name) ? own[name] : undefined;
  if (!dialect) throw new HawserError('ERR_OPTION', `no dialect is called '${name.slice(0, 64)}'`);
  return { codec: plainCodec(name, dialect, reporter(options)), protocol: name, framing: dialect.framing ?? 'length' };
}
