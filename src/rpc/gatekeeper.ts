import type { BackendAction } from "../access/decide/actions.js";
import { type Backend, type BackendCredentials, type BackendDirectory, backendId } from "../access/keys/backend.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { type AnswerBudget, type AnswerLease, isListing } from "./answer-budget.js";

/** How often it is asked whether those with open streams may still have them, in milliseconds. */
const RECHECK = 500;

/** A stream that a backend has open. */
export interface StreamGrant {
  /** As it was admitted. */
  readonly backend: Backend;
  readonly credentials: BackendCredentials;
  /** Undefined: whoever is known. */
  readonly action: BackendAction | undefined;
  readonly onLost: (refusal: CarillonError) => void;
}

/**
 * Who may call what, on both mounts. Each call is decided before its request is read; a stream is decided again while it
 * is open, so that a key that is revoked ends it within a second.
 */
export class Gatekeeper {
  readonly #directory: BackendDirectory;
  readonly #clock: Clock;
  readonly #answers: AnswerBudget | undefined;
  readonly #stays = new Set<StreamGrant>();
  #cancelTimer: (() => void) | undefined;

  /** @param answers - undefined: answers are not counted */
  constructor(directory: BackendDirectory, clock: Clock, answers?: AnswerBudget) {
    this.#directory = directory;
    this.#clock = clock;
    this.#answers = answers;
  }

  /**
   * Begins to count the answer to a call that was admitted.
   * @returns undefined where the action has small answers, or they are not counted
   * @throws CarillonError resource_exhausted: the backend has had too many bytes of answers
   */
  openAnswer(backend: Backend, action: BackendAction | undefined): AnswerLease | undefined {
    return isListing(action) ? this.#answers?.open(backendId(backend)) : undefined;
  }

  /**
   * @param action - undefined: whoever is known
   * @throws CarillonError of BackendDirectory.identify; permission_denied where the backend may not do this
   */
  admit(credentials: BackendCredentials, action: BackendAction | undefined): Backend {
    const backend = this.#directory.identify(credentials);
    if (action !== undefined && !backend.actions.has(action)) {
      const text = `key ${JSON.stringify(backend.name)} may not do this: it needs the action ${JSON.stringify(action)}`;
      throw new CarillonError("permission_denied", text);
    }
    return backend;
  }

  /**
   * Calls once when a backend that was admitted would no longer be, or not for the same topics.
   * @returns ends it
   */
  stay(stay: StreamGrant): () => void {
    this.#stays.add(stay);
    this.#cancelTimer ??= this.#clock.after(RECHECK, this.#recheck);
    return () => {
      this.#stays.delete(stay);
      if (this.#stays.size > 0) return;
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    };
  }

  readonly #recheck = (): void => {
    this.#cancelTimer = undefined;
    for (const stay of this.#stays) {
      const refusal = this.#refusalOf(stay);
      if (refusal === undefined) continue;
      this.#stays.delete(stay);
      stay.onLost(refusal);
    }
    if (this.#stays.size > 0) this.#cancelTimer ??= this.#clock.after(RECHECK, this.#recheck);
  };

  #refusalOf({ action, backend, credentials }: StreamGrant): CarillonError | undefined {
    try {
      const now = this.admit(credentials, action);
      // What is under way has been checked against the topics of its beginning.
      if (now.topics.join("\n") === backend.topics.join("\n")) return undefined;
      return new CarillonError("permission_denied", "the topics of this key have changed: open the stream anew");
    } catch (cause) {
      const error = CarillonError.from(cause);
      // That it cannot be known at the moment does not mean that it is lost.
      return LOST.has(error.code) ? error : undefined;
    }
  }
}

const LOST: ReadonlySet<string> = new Set(["unauthenticated", "permission_denied", "not_found"]);
