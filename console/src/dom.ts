/** The one element of the page with this test id. It is part of index.html, so that it is missing only by mistake. */
export function part(testId: string): HTMLElement {
  return partOf(testId, HTMLElement);
}

/** The same where the kind of element matters, as in `partOf('text', HTMLInputElement)`. */
export function partOf<E extends HTMLElement>(testId: string, kind: new () => E): E {
  const element = document.querySelector(`[data-testid="${testId}"]`);
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} '${testId}'`);
  return element;
}

interface Attributes {
  readonly class?: string;
  readonly testId?: string;
  readonly data?: Readonly<Record<string, string>>;
}

/** A new element. Text children become text, never markup: much of what the page shows comes from strangers. */
export function make<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[T] {
  const element = document.createElement(tag);
  if (attributes.class !== undefined) element.className = attributes.class;
  if (attributes.testId !== undefined) element.dataset['testid'] = attributes.testId;
  Object.assign(element.dataset, attributes.data);
  element.append(...children);
  return element;
}

/** A colour for a name, the same one everywhere, as an angle on the wheel. */
export function hueOf(name: string): number {
  let hash = 7;
  for (const character of name) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 3600;
  return hash % 360;
}

/** The round mark beside a name. */
export function badge(name: string): HTMLElement {
  const [initial = '?'] = name.trim();
  const element = make('span', { class: 'badge' }, initial.toUpperCase());
  element.style.setProperty('--hue', String(hueOf(name)));
  element.setAttribute('aria-hidden', 'true');
  return element;
}
