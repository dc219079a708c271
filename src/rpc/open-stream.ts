import type { BackendAction } from "../access/decide/actions.js";
import type { Backend, BackendCredentials } from "../access/keys/backend.js";
import type { CarillonError } from "../errors.js";
import type { CallAuthorizer } from "./call-authorizer.js";
import type { RpcCall } from "./service.js";

/** Backend that opens a stream, and the action that it needs. */
export interface StreamOpener {
  readonly backend: Backend;
  readonly credentials: BackendCredentials;
  readonly action: BackendAction;
  /** In milliseconds since the epoch; undefined for none. */
  readonly deadline: number | undefined;
}

/** Open stream of a backend. It ends when the caller disconnects or the backend loses its permission. */
export class OpenStream implements RpcCall {
  readonly backend: Backend;
  readonly deadline: number | undefined;
  readonly #controller = new AbortController();
  readonly #unwatch: () => void;

  constructor(authorizer: CallAuthorizer, { action, backend, credentials, deadline }: StreamOpener) {
    this.backend = backend;
    this.deadline = deadline;
    const onLost = (refusal: CarillonError): void => {
      this.#controller.abort(refusal);
    };
    this.#unwatch = authorizer.watch({ backend, credentials, action, onLost });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the stream because the caller has disconnected. */
  abort(reason: unknown): void {
    this.#unwatch();
    this.#controller.abort(reason);
  }

  /** Ends the watch over the stream's grant after the stream has ended. */
  close(): void {
    this.#unwatch();
  }
}
