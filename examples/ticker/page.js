// The page of the market: what is listed, how its prices move, and a place to trade. It is a client like any other.
import { Book } from './book.js';
import { Chart, linePoints } from './chart.js';
import { Trader } from './trader.js';
import { money, readOrder, whatHappened } from './words.js';

/** @import { Quote, Side } from './api.ts' */

const TAPE = 8;
/** Quotes for the little line of a symbol, and for the chart. */
const LINE_QUOTES = 60;
const CHART_QUOTES = 1000;

/** @template {HTMLElement} T @param {string} id @param {new () => T} type @returns {T} */
function part(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${id}`);
  return found;
}

const status = part('status', HTMLElement);
const symbols = part('symbols', HTMLElement);
const desk = part('desk', HTMLElement);
const answer = part('answer', HTMLElement);
const nameField = part('name', HTMLInputElement);
const tokenField = part('token', HTMLInputElement);
const sharesField = part('shares', HTMLInputElement);

const book = new Book();
/** @type {Map<string, Row>} */
const rows = new Map();
/** The newest first. @type {Quote[]} */
const tape = [];
/** @type {Trader | undefined} */
let trader;
/** @type {Chart | undefined} */
let chart;
let selected = '';
let isDrawing = false;
/** All that was listed when the page came is known. */
let isSettled = false;

/** What stands for a symbol in the list. */
class Row {
  #button = make('button', 'symbol');
  #price = make('span', 'price');
  #change = make('span', 'change');
  #left = make('span', 'left');
  #full = make('i', '');
  #line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  #symbol;

  /** @param {string} symbol */
  constructor(symbol) {
    this.#symbol = symbol;
    this.#button.dataset['symbol'] = symbol;
    this.#button.addEventListener('click', () => void select(symbol));
    const name = make('b', '');
    name.textContent = symbol;
    const picture = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    picture.setAttribute('viewBox', '0 0 100 30');
    picture.setAttribute('preserveAspectRatio', 'none');
    picture.append(this.#line);
    const bar = make('span', 'bar');
    bar.append(this.#full);
    this.#button.append(name, picture, this.#price, this.#left, this.#change, bar);
    const item = document.createElement('li');
    item.append(this.#button);
    this.item = item;
  }

  draw() {
    const newest = book.newest(this.#symbol);
    if (newest === undefined) return;
    const quotes = book.of(this.#symbol);
    const most = Math.max(...quotes.map(({ available }) => available));
    this.#price.textContent = money(newest.price);
    this.#left.textContent = `${newest.available.toLocaleString('en')} left`;
    this.#full.style.width = `${(100 * newest.available) / Math.max(1, most)}%`;
    showChange(this.#change, this.#symbol);
    this.#line.setAttribute('points', linePoints(quotes.slice(-LINE_QUOTES)));
    this.#line.dataset['direction'] = this.#change.dataset['direction'] ?? '';
    this.#button.setAttribute('aria-current', String(this.#symbol === selected));
  }
}

/** @param {string} tag @param {string} className */
function make(tag, className) {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

/** @param {HTMLElement} element @param {string} symbol */
function showChange(element, symbol) {
  const change = book.change(symbol);
  element.textContent = `${change < 0 ? '−' : '+'}${Math.abs(change * 100).toFixed(2)} %`;
  element.dataset['direction'] = change > 0 ? 'up' : change < 0 ? 'down' : 'same';
}

/** A quote came. @param {Quote} quote */
function take(quote) {
  const isNew = book.newest(quote.symbol) === undefined;
  book.add(quote.symbol, [quote]);
  tape.unshift(quote);
  tape.length = Math.min(tape.length, TAPE);
  if (isNew) enter(quote.symbol);
  drawSoon();
}

/** @param {string} symbol */
function enter(symbol) {
  rows.set(symbol, new Row(symbol));
  symbols.replaceChildren(...book.symbols.map((name) => rows.get(name)?.item ?? ''));
  part('nothing', HTMLElement).hidden = true;
  if (selected === '' && isSettled) selectFirst();
  void fill(symbol, LINE_QUOTES);
}

/** Shows one symbol in full. @param {string} symbol */
async function select(symbol) {
  selected = symbol;
  desk.hidden = false;
  chart ??= new Chart(part('chart', HTMLElement));
  answer.textContent = '';
  drawSoon();
  await fill(symbol, CHART_QUOTES);
}

function selectFirst() {
  const [first] = book.symbols;
  if (first !== undefined) void select(first);
}

/** Asks for what was before the page came. @param {string} symbol @param {number} most */
async function fill(symbol, most) {
  try {
    book.add(symbol, (await trader?.past(symbol, most)) ?? []);
    drawSoon();
  } catch {
    // The link is gone: when it is back there are quotes again.
  }
}

/** What was missed meanwhile belongs into the chart, too. */
async function fillAll() {
  await Promise.all(book.symbols.map((symbol) => fill(symbol, symbol === selected ? CHART_QUOTES : LINE_QUOTES)));
}

/** Draws at most once a frame, whatever comes. */
function drawSoon() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    draw();
  });
}

function draw() {
  for (const row of rows.values()) row.draw();
  const newest = book.newest(selected);
  if (newest === undefined) return;
  part('symbol', HTMLElement).textContent = selected;
  part('price', HTMLElement).textContent = money(newest.price);
  showChange(part('change', HTMLElement), selected);
  chart?.show(book.of(selected), Date.now());
  part('tape', HTMLElement).replaceChildren(...tape.map(tapeItem));
}

/** @param {Quote} quote */
function tapeItem({ symbol, price, available, time }) {
  const item = document.createElement('li');
  const when = document.createElement('time');
  when.textContent = new Date(time).toLocaleTimeString('en-GB');
  item.append(when, span(symbol), span(money(price)), span(`${available.toLocaleString('en')} left`));
  return item;
}

/** @param {string} text */
function span(text) {
  const element = document.createElement('span');
  element.textContent = text;
  return element;
}

async function showHoldings() {
  const holdings = trader?.user ? await trader.holdings().catch(() => []) : [];
  const items = holdings.map(({ symbol, shares }) => {
    const item = document.createElement('li');
    item.append(span(symbol), span(shares.toLocaleString('en')));
    return item;
  });
  part('holdings', HTMLElement).replaceChildren(...items);
}

/** @param {Side} side */
async function place(side) {
  const wanted = readOrder(`${side} ${selected} ${sharesField.value.trim()}`);
  if (wanted === undefined) return tell('How many shares? A whole number from 1.', 'refused');
  tell('…', 'waiting');
  try {
    const receipt = await trader?.place({ ...wanted, id: freshId() });
    if (receipt !== undefined) tell(whatHappened(receipt), 'done');
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error), 'refused');
  }
  await showHoldings();
}

/** @param {string} text @param {string} state */
function tell(text, state) {
  answer.textContent = text;
  answer.dataset['state'] = state;
}

/** `crypto.randomUUID` is for pages of secure origins alone. */
function freshId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Comes in, as who one says, or as nobody: who may look and not trade. */
async function comeIn() {
  const [user, token] = [nameField.value.trim(), tokenField.value.trim()];
  const before = trader;
  trader = undefined;
  await before?.close();
  say('down', 'connecting');
  try {
    const options = { ...(user !== '' && { user }), ...(token !== '' && { token }) };
    const mine = await Trader.open(location.origin.replace(/^http/, 'ws'), options);
    trader = mine;
    mine.onLink((event) => {
      say(event, event === 'up' ? whoIsIn(mine) : 'the market is gone, looking for it');
      if (event === 'up') void fillAll();
    });
    say('up', whoIsIn(mine));
    for (const button of part('trade', HTMLFormElement).querySelectorAll('button'))
      button.disabled = mine.user === null;
    await Promise.all([mine.watch(take), showHoldings()]);
    isSettled = true;
    if (selected === '') selectFirst();
    await fillAll();
    const { code, reason } = await mine.closed;
    if (trader === mine) say('down', reason || `closed (${code})`);
  } catch (error) {
    say('down', error instanceof Error ? error.message : String(error));
  }
}

/** @param {Trader} mine */
function whoIsIn(mine) {
  return `${mine.user ?? 'just looking'}, over ${mine.transport}`;
}

/** @param {'up' | 'down'} state @param {string} text */
function say(state, text) {
  status.dataset['state'] = state;
  status.textContent = text;
}

part('login', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  void comeIn();
});
part('trade', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  const { submitter } = event;
  void place(submitter instanceof HTMLButtonElement && submitter.value === 'SELL' ? 'SELL' : 'BUY');
});
// Time goes on where nothing is traded.
setInterval(drawSoon, 1000);
nameField.value = new URLSearchParams(location.search).get('user') ?? '';
void comeIn();
