import type { ServerUnaryCall } from "@grpc/grpc-js";
import type { Backend } from "../../access/keys/backend.js";
import { peerDisconnected } from "../call-errors.js";
import type { RpcCall } from "../service.js";

/** Unary call. Creates its signal on first use, because a publish, by far the most frequent call, does not use it. */
export class GrpcCall implements RpcCall {
  readonly backend: Backend;
  readonly #call: ServerUnaryCall<unknown, unknown>;
  #controller: AbortController | undefined;

  constructor(backend: Backend, call: ServerUnaryCall<unknown, unknown>) {
    this.backend = backend;
    this.#call = call;
  }

  get deadline(): number | undefined {
    return readDeadline(this.#call);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      const abort = (): void => {
        controller.abort(peerDisconnected());
      };
      this.#controller = controller;
      if (this.#call.cancelled) abort();
      else this.#call.once("cancelled", abort);
    }
    return this.#controller.signal;
  }
}

/** Returns the deadline in milliseconds since the epoch; undefined if @grpc/grpc-js has infinity. */
export function readDeadline(call: Pick<ServerUnaryCall<unknown, unknown>, "getDeadline">): number | undefined {
  const deadline = Number(call.getDeadline());
  return Number.isFinite(deadline) ? deadline : undefined;
}
