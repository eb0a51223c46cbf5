import { HawserError } from '../core/index.ts';

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST = 3;

/** What of the environment says which descriptors were passed. */
export interface Passed {
  readonly LISTEN_PID?: string | undefined;
  readonly LISTEN_FDS?: string | undefined;
  readonly LISTEN_FDNAMES?: string | undefined;
}

/**
 * The descriptor that the parameter `fd` means: its number, `systemd` for the first that systemd has passed, `systemd:NAME` for the one
 * of that name (FileDescriptorName= of the socket unit).
 * @throws HawserError ERR_OPTION when nothing of the kind was passed to this process.
 */
export function inheritedFd(
  text: string | undefined,
  env: Passed = process.env,
  pid: number = process.pid,
): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,5}$/.test(text)) return Number(text);
  const [source, name] = text.split(/:(.*)/s);
  if (source !== 'systemd') throw new HawserError('ERR_OPTION', 'fd is a number, systemd or systemd:NAME');
  const count = env.LISTEN_PID === String(pid) ? Number(env.LISTEN_FDS) : 0;
  const at = name === undefined ? 0 : (env.LISTEN_FDNAMES ?? '').split(':').indexOf(name);
  if (!Number.isInteger(count) || at < 0 || at >= count) {
    throw new HawserError('ERR_OPTION', `systemd has passed no socket${name === undefined ? '' : ` named ${name}`}`);
  }
  return FIRST + at;
}
