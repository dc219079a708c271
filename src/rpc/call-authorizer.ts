import type { BackendAction } from "../access/decide/actions.js";
import { type Backend, type BackendCredentials, type BackendDirectory, backendId } from "../access/keys/backend.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { type AnswerBudget, type AnswerLease, isListing } from "./answer-budget.js";

/** Milliseconds between two checks of the grants of open streams. */
const RECHECK = 500;

/** Right of a backend to an open stream. */
export interface StreamGrant {
  /** The backend at the time of admission. */
  readonly backend: Backend;
  readonly credentials: BackendCredentials;
  /** Undefined: any known backend. */
  readonly action: BackendAction | undefined;
  readonly onLost: (refusal: CarillonError) => void;
}

/**
 * Decides which backend may call which method, on both mounts. Each call is checked before its request is read. An open
 * stream is checked repeatedly, so that revoking a key ends its streams within a second.
 */
export class CallAuthorizer {
  readonly #directory: BackendDirectory;
  readonly #clock: Clock;
  readonly #answers: AnswerBudget | undefined;
  readonly #grants = new Set<StreamGrant>();
  #cancelTimer: (() => void) | undefined;

  /** @param answers - undefined: answers are not counted */
  constructor(directory: BackendDirectory, clock: Clock, answers?: AnswerBudget) {
    this.#directory = directory;
    this.#clock = clock;
    this.#answers = answers;
  }

  /**
   * Begins to count the answer to an admitted call.
   * @returns undefined if the action has small answers, or answers are not counted
   * @throws CarillonError resource_exhausted: the backend has received too many bytes of answers
   */
  openAnswer(backend: Backend, action: BackendAction | undefined): AnswerLease | undefined {
    return isListing(action) ? this.#answers?.open(backendId(backend)) : undefined;
  }

  /**
   * @param action - undefined: any known backend may call
   * @throws CarillonError of BackendDirectory.identify; permission_denied: the backend lacks the action
   */
  admit(credentials: BackendCredentials, action: BackendAction | undefined): Backend {
    const backend = this.#directory.identify(credentials);
    if (action !== undefined && !backend.actions.has(action)) {
      const text = `key ${JSON.stringify(backend.name)} lacks the action ${JSON.stringify(action)}`;
      throw new CarillonError("permission_denied", text);
    }
    return backend;
  }

  /**
   * Calls `onLost` once when the backend would no longer be admitted, or its topics have changed.
   * @returns stops watching
   */
  watch(grant: StreamGrant): () => void {
    this.#grants.add(grant);
    this.#cancelTimer ??= this.#clock.after(RECHECK, this.#recheck);
    return () => {
      this.#grants.delete(grant);
      if (this.#grants.size > 0) return;
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    };
  }

  readonly #recheck = (): void => {
    this.#cancelTimer = undefined;
    for (const grant of this.#grants) {
      const refusal = this.#findRefusal(grant);
      if (refusal === undefined) continue;
      this.#grants.delete(grant);
      grant.onLost(refusal);
    }
    if (this.#grants.size > 0) this.#cancelTimer ??= this.#clock.after(RECHECK, this.#recheck);
  };

  #findRefusal({ action, backend, credentials }: StreamGrant): CarillonError | undefined {
    try {
      const now = this.admit(credentials, action);
      // Running operations were checked against the topics at the time of admission.
      if (now.topics.join("\n") === backend.topics.join("\n")) return undefined;
      return new CarillonError("permission_denied", "the topics of this key have changed: reopen the stream");
    } catch (cause) {
      const error = CarillonError.from(cause);
      // A temporary failure to identify the backend does not revoke the grant.
      return LOST.has(error.code) ? error : undefined;
    }
  }
}

const LOST: ReadonlySet<string> = new Set(["unauthenticated", "permission_denied", "not_found"]);
