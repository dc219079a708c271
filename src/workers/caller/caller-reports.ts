import type { CarillonError } from "../../errors.js";
import { errorText } from "../../util/native-error.js";
import type { Caller } from "../dispatch.js";

/** Reports the progress of one task to its caller. Catches the caller's exceptions, so that other tasks are unaffected. */
export class CallerReports {
  readonly #caller: Caller;
  readonly #onError: (message: string) => void;
  #taken = false;
  #assigned = false;

  constructor(caller: Caller, onError: (message: string) => void) {
    this.#caller = caller;
    this.#onError = onError;
  }

  /** Reports once that a node has taken the task. */
  taken(): void {
    if (this.#taken) return;
    this.#taken = true;
    this.#guard(() => {
      this.#caller.onTaken?.();
    });
  }

  /** Reports once that a worker has the task. */
  assigned(): void {
    if (this.#assigned) return;
    this.#assigned = true;
    this.#guard(() => {
      this.#caller.onAssigned?.();
    });
  }

  part(payload: Uint8Array, more: boolean): void {
    this.#guard(() => {
      this.#caller.onPart(payload, more);
    });
  }

  failed(error: CarillonError): void {
    this.#guard(() => {
      this.#caller.onFailed(error);
    });
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (cause) {
      this.#onError(`notifying the caller of a task failed: ${errorText(cause)}`);
    }
  }
}
