/** How a command ends. */
export const EXIT = {
  ended: 0,
  failure: 1,
  usage: 2,
  refused: 3,
  timedOut: 4,
  engineDown: 5,
  engineRefused: 6,
} as const;

/** A mistake in how the command was called: told in one line, exit code 2. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}

/** What a command prints: people's lines, or with --json one object a line. */
export class Output {
  readonly json: boolean;

  /** `serves`: the command does its work whether anybody reads what it prints or not. */
  constructor(json: boolean, serves: boolean = false) {
    this.json = json;
    // Whoever reads may stop reading: `hawser tail … | head -1` ends quietly.
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (!serves) process.exit(error.code === 'EPIPE' ? EXIT.ended : EXIT.failure);
    });
    process.stderr.on('error', () => {});
  }

  /** One event: as an object for programs, as `text` for people. */
  tell(event: Readonly<Record<string, unknown>>, text: string): void {
    process.stdout.write(`${shown(this.json ? JSON.stringify(event, plainly) : text)}\n`);
  }

  /** A remark for people; programs don't need it. */
  remark(text: string): void {
    if (!this.json) process.stderr.write(`${shown(text)}\n`);
  }

  error(text: string): void {
    process.stderr.write(`hawser: ${shown(text)}\n`);
  }
}

/** JSON has no word for some values that messages may hold. */
export function plainly(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/** Control characters, which could move the cursor or worse, are shown and not obeyed. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, escaped);
}

/** The same for what may have lines of its own. JSON says the same afterwards. */
export function shown(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
