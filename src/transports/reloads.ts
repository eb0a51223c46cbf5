/** Reloads of what a listener shows and trusts: each begins where the one before has ended, so that none undoes what another brought. */
export class Reloads {
  #last: Promise<unknown> = Promise.resolve();

  /** Settles as `reload` does; one that failed is no concern of the next. */
  inTurn(reload: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(reload);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
