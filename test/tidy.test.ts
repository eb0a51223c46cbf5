import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  CLOSE,
  CLOSE_OF_ERROR,
  DEFAULT_LIMITS,
  DEFAULT_TIMES,
  type ErrorCode,
  mayComeBack,
  SERVER_LIMITS,
  SERVER_TIMES,
} from '../src/core/index.ts';
import { LAN_LIMITS, LAN_TIMES } from '../src/lan/index.ts';
import { FALLBACK_LIMITS } from '../src/transports/http/fallback/settings.ts';
import { HTTP2_LIMITS } from '../src/transports/http/limits.ts';
import { FRAME } from '../src/udpack/frames.ts';
import { FAULT_CODES, UDPACK_LIMITS, UDPACK_TIMES } from '../src/udpack/index.ts';
import { filesOf, foldersOf, ROOT, tableRows, textOf } from './support/tree.ts';

const NO_TEXT = /\.(?:png|jpg|gif|ico|woff2?|pem|bin|tgz)$/;
const files = filesOf().filter((path) => !NO_TEXT.test(path));
const sources = files.filter((path) => /^src\/.*\.ts$/.test(path));
const pages = files.filter((path) => path.endsWith('.md'));

describe('docs/ERRORS.md', () => {
  const rows = tableRows('docs/ERRORS.md');
  const errors = new Map(rows.filter(([code]) => code?.startsWith('`ERR_')).map((row) => [unquote(row[0]), row]));
  const closes = new Map(rows.filter(([code]) => /^\d{4}$/.test(code ?? '')).map((row) => [Number(row[0]), row]));
  const known = [...textOf('src/core/errors.ts').matchAll(/^ {2}\| '(ERR_\w+)'/gm)].map(([, code = '']) => code);

  test('has a row for every error code, and for no other', () => {
    expect(known.length).toBeGreaterThan(30);
    expect([...errors.keys()].toSorted()).toEqual(known.toSorted());
  });

  test('says which close code an error has', () => {
    for (const code of known) {
      const close = CLOSE_OF_ERROR[code as ErrorCode];
      expect(`${code} ${errors.get(code)?.[2]}`).toBe(`${code} ${close ?? '–'}`);
    }
  });

  test('has a row for every close code, with its name and whether to come back, and for no other', () => {
    const expected = Object.entries(CLOSE).map(([name, code]) => [code, name, mayComeBack(code) ? 'yes' : 'no']);
    const written = [...closes].map(([code, row]) => [code, unquote(row[1]), row[3]]);
    expect(written).toEqual(expected.toSorted(([a], [b]) => Number(a) - Number(b)));
  });

  test('no page names an error that does not exist', () => {
    for (const page of pages) {
      const named = [...textOf(page).matchAll(/\bERR_[A-Z]+(?:_[A-Z]+)*\b/g)].map(([code]) => code);
      expect({ page, unknown: named.filter((code) => !known.includes(code)) }).toEqual({ page, unknown: [] });
    }
  });
});

describe('docs/LIMITS.md', () => {
  const all = tableRows('docs/LIMITS.md');
  const rows = all.filter(([name]) => /^`(?:limits|times)\./.test(name ?? ''));

  test('has a row with the default of every limit and every time, and for no other', () => {
    const expected = [
      ...Object.entries({ ...DEFAULT_LIMITS, ...SERVER_LIMITS }).map(([name, value]) => [`limits.${name}`, value]),
      ...Object.entries({ ...DEFAULT_TIMES, ...SERVER_TIMES }).map(([name, value]) => [`times.${name}`, value]),
    ];
    const written = rows.map(([name, value = '']) => [unquote(name), Number(value.replaceAll(',', ''))]);
    expect(written.toSorted(byName)).toEqual(expected.toSorted(byName));
  });

  test.each([
    ['`limits` of UDPack', UDPACK_LIMITS],
    ['`times` of UDPack', UDPACK_TIMES],
    ['`limits` of the LAN bus', LAN_LIMITS],
    ['`times` of the LAN bus', LAN_TIMES],
    ['`http2` of a listener', HTTP2_LIMITS],
    ['`fallback` of a listener', FALLBACK_LIMITS],
  ])('has a table with the default of each of the %s, and no other', (head, defaults) => {
    const first = all.findIndex(([name]) => name === head) + 1;
    expect(first).toBeGreaterThan(0);
    const written = all
      .slice(first, first + Object.keys(defaults).length)
      .map(([name, value = '']) => [unquote(name), Number(value.replaceAll(',', ''))]);
    expect(written.toSorted(byName)).toEqual(Object.entries(defaults).toSorted(byName));
    // What follows is the head of another table.
    expect(all[first + written.length]?.[0]).not.toMatch(/^`\w+`$/);
  });
});

describe('docs/UDPACK.md', () => {
  const rows = tableRows('docs/UDPACK.md');

  test('has a row with the number of every fault, and of no other', () => {
    const written = rows.filter(([number = '', name = '']) => /^\d+$/.test(number) && /^`[a-z-]+`$/.test(name));
    expect(written.map(([number, name]) => [unquote(name), Number(number)])).toEqual(Object.entries(FAULT_CODES));
  });

  test('has a row for every type of frame, and for no other', () => {
    const written = rows.filter(([type = '', name = '']) => /^`0x[0-7][0-9a-f]`/.test(type) && /^[A-Z]/.test(name));
    const types = written.slice(0, -1).map(([type]) => Number(unquote(type)));
    expect([...types, Number(unquote(written.at(-1)?.[0]).slice(0, 4))]).toEqual(Object.values(FRAME));
  });
});

describe('the folders of src/', () => {
  const groups = ['transports', 'engines', 'compat'].filter((group) => foldersOf('src').includes(group));
  const inGroups = groups.flatMap((group) => foldersOf(`src/${group}`).map((name) => `${group}/${name}`));
  const layers = [...foldersOf('src').filter((name) => !groups.includes(name)), ...inGroups];

  test('each has its line in docs/ARCHITECTURE.md', () => {
    const lines = new Set(
      tableRows('docs/ARCHITECTURE.md')
        .flatMap(([names = '']) => [...names.matchAll(/`([^`]+)`/g)])
        .map(([, name]) => name),
    );
    expect(layers.filter((layer) => !lines.has(layer))).toEqual([]);
  });

  test('each has a rule that says what it may import', () => {
    const { overrides } = JSON.parse(textOf('.oxlintrc.json')) as {
      overrides: { files: string[]; rules: Record<string, unknown> }[];
    };
    const rules = overrides.filter((override) => Array.isArray(override.rules['no-restricted-imports']));
    const ruled = new Set(rules.flatMap((rule) => rule.files));
    const without = layers.filter(
      (layer) => ![`src/${layer}/**`, `src/${dirname(layer)}/**`].some((glob) => ruled.has(glob)),
    );
    expect(without).toEqual([]);
  });
});

describe('the sources', () => {
  test('no file is longer than 500 lines', () => {
    const long = sources.map((path) => ({ path, lines: textOf(path).split('\n').length }));
    expect(long.filter(({ lines }) => lines > 501)).toEqual([]);
  });

  test('nothing is left for later in a comment', () => {
    const mark = /\b(?:TO[D]O|FIX[M]E|XX[X])\b/;
    expect(files.filter((path) => mark.test(textOf(path)))).toEqual([]);
  });

  test('nothing has the type any', () => {
    const loose = /(?:[:<|&,(]|\bas|\bextends)\s*any\b(?!\s*[-\w'’,.])/;
    const found = sources.flatMap((path) => {
      const lines = withoutComments(textOf(path)).split('\n');
      return lines.filter((line) => loose.test(line)).map((line) => `${path}: ${line.trim()}`);
    });
    expect(found).toEqual([]);
  });

  test('no checker is told to look away, but where a test shows what must not compile', () => {
    const blind = /@ts-(?:ignore|nocheck)|oxlint-disable|eslint-disable|biome-ignore/;
    const blinder = /@ts-expect-error/;
    const found = sources.filter((path) => {
      const text = textOf(path);
      return blind.test(text) || (!path.endsWith('.test.ts') && blinder.test(text));
    });
    expect(found).toEqual([]);
  });
});

describe('the tree', () => {
  test('lock files name no host to load from', () => {
    const locks = files.filter((path) => path.endsWith('package-lock.json'));
    expect(locks).toContain('package-lock.json');
    for (const lock of locks) expect(textOf(lock)).not.toMatch(/"resolved":\s*"[^"]*:\/\//);
  });

  test('the lock file has the native parts of every platform, or npm ci refuses it', () => {
    const { packages } = JSON.parse(textOf('package-lock.json')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const locked = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 13)));
    const wanted = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    expect(wanted.filter((name) => !locked.has(name))).toEqual([]);
  });

  test('no file names a place of one machine', () => {
    const place = /(?<![\w.])[/](?:work|root|home|Users)[/]\w/;
    const found = files.flatMap((path) => {
      const line = textOf(path)
        .split('\n')
        .find((text) => place.test(text));
      return line === undefined ? [] : [`${path}: ${line.trim()}`];
    });
    expect(found).toEqual([]);
  });

  test('every link from page to page leads somewhere', () => {
    const broken = pages.flatMap((page) =>
      [...textOf(page).matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !existsSync(join(ROOT, dirname(page), target)))
        .map((target) => `${page}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  test('every link to a heading finds it', () => {
    const broken = pages.flatMap((page) =>
      [...textOf(page).matchAll(/\]\((?!\w+:)([^)#\s]*)#([^)\s]+)\)/g)]
        .map(([, target = '', heading = '']) => ({
          target: target === '' ? page : join(dirname(page), target),
          heading,
        }))
        .filter(({ target, heading }) => target.endsWith('.md') && !headingsOf(target).has(heading))
        .map(({ target, heading }) => `${page}: ${target}#${heading}`),
    );
    expect(broken).toEqual([]);
  });

  test('the changelog begins with the version of package.json', () => {
    const { version } = JSON.parse(textOf('package.json')) as { version: string };
    expect(/^## (\S+)/m.exec(textOf('CHANGELOG.md'))?.[1]).toBe(version);
  });
});

function byName([a]: (string | number)[], [b]: (string | number)[]): number {
  return String(a).localeCompare(String(b));
}

/** The headings of a page as links name them: lower case, blanks as hyphens, without other signs. */
function headingsOf(page: string): ReadonlySet<string> {
  const prose = textOf(page).replace(/^```[\s\S]*?^```/gm, '');
  const headings = [...prose.matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = '']) => heading.toLowerCase());
  return new Set(headings.map((heading) => heading.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')));
}

function unquote(cell: string | undefined): string {
  return (cell ?? '').replaceAll('`', '');
}

/** Comments and the text of strings go; lines stay. Good enough for a look at types. */
function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '')
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''");
}
