import type { BackendAction } from "../access/decide/actions.js";
import type { Backend, BackendCredentials } from "../access/keys/backend.js";
import type { CarillonError } from "../errors.js";
import type { Gatekeeper } from "./gatekeeper.js";
import type { RpcCall } from "./service.js";

/** Who has a stream open, and what for. */
export interface StreamOpener {
  readonly backend: Backend;
  readonly credentials: BackendCredentials;
  readonly action: BackendAction;
  /** In milliseconds since the epoch; undefined for none. */
  readonly deadline: number | undefined;
}

/** A stream that a backend has open: it ends when the caller is gone, and when the backend may no longer have it. */
export class OpenStream implements RpcCall {
  readonly backend: Backend;
  readonly deadline: number | undefined;
  readonly #controller = new AbortController();
  readonly #leave: () => void;

  constructor(gatekeeper: Gatekeeper, { action, backend, credentials, deadline }: StreamOpener) {
    this.backend = backend;
    this.deadline = deadline;
    const onLost = (refusal: CarillonError): void => {
      this.#controller.abort(refusal);
    };
    this.#leave = gatekeeper.stay({ backend, credentials, action, onLost });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The caller is gone. */
  abort(reason: unknown): void {
    this.#leave();
    this.#controller.abort(reason);
  }

  /** It has ended. */
  close(): void {
    this.#leave();
  }
}
