const MARK =
  /(<!-- ((?:udp|ws|files|nodes|http)-[\w-]+|summary|worker-echo|byte-streams|quic|ticker) -->\n)[\s\S]*?(<!-- end -->)/g;

export interface Picture {
  readonly name: string;
  readonly title: string;
}

/** The names of a page's marks. */
export function marksOf(page: string): string[] {
  return [...page.matchAll(MARK)].map(([, , name = '']) => name);
}

/** Writes each mark's table anew, with its pictures below; a mark without a table keeps what it has. */
export function fillMarks(
  page: string,
  tableFor: (mark: string) => string | undefined,
  picturesFor: (mark: string) => readonly Picture[],
): string {
  return page.replace(MARK, (whole: string, open: string, name: string, close: string) => {
    const table = tableFor(name);
    if (table === undefined) return whole;
    const pictures = picturesFor(name).map((picture) => `\n![${picture.title}](benchmarks/${picture.name}.svg)\n`);
    return `${open}${table}\n${pictures.join('')}${close}`;
  });
}
