import { ignore } from "./ignore.js";

/** Starts work in the order of the calls, where some of it must be prepared first. */
export class StartOrder {
  /** Resolves when the last call that had to wait has started. Undefined: none waits. */
  #last: Promise<void> | undefined;

  /**
   * @param prepare - undefined, or a promise that resolves when the work can start; later work waits for it
   * @param start - called in this turn if nothing has to be waited for
   * @throws errors of `prepare` and `start`
   */
  run<Prepared, Result>(
    prepare: () => Promise<Prepared> | undefined,
    start: (prepared: Prepared | undefined) => Promise<Result>,
  ): Promise<Result> {
    const before = this.#last;
    const preparing = before === undefined ? prepare() : before.then(prepare);
    if (preparing === undefined) return start(undefined);
    const started = preparing.then((prepared) => ({ result: start(prepared) }));
    const last = started.then(ignore, ignore).then(() => {
      if (this.#last === last) this.#last = undefined;
    });
    this.#last = last;
    return started.then(({ result }) => result);
  }
}
