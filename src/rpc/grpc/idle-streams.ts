import type { EventEmitter } from "node:events";
import type { Metadata, Server, UntypedServiceImplementation } from "@grpc/grpc-js";
import { CarillonError } from "../../errors.js";
import { grpcStatus } from "./grpc-status.js";

/** @grpc/grpc-js gives a callback to methods with one answer, and none to those that answer with a stream. */
type Handle = (call: Stream, callback: unknown) => void;

type Stream = EventEmitter & { readonly metadata: Metadata };

/** Calls once when whoever opened the stream may no longer have it. @returns ends it */
export type RevalidatedStream = (metadata: Metadata, onLost: (refusal: CarillonError) => void) => () => void;

/**
 * The open streams of services that libraries bring: health's Watch and reflection. Their clients keep them open for as
 * long as they live, so a node that waited for them when it stops would always wait in vain.
 */
export class IdleStreams {
  readonly #open = new Set<EventEmitter>();
  #ended = false;

  /** What to add such services to, in place of the server. @param stayer - undefined: they are everybody's */
  watching(server: Pick<Server, "addService">, stayer?: RevalidatedStream): Pick<Server, "addService"> {
    return {
      addService: (definition, handlers) => {
        const watched: UntypedServiceImplementation = {};
        for (const [name, handle] of Object.entries(handlers)) watched[name] = this.#watched(handle as Handle, stayer);
        server.addService(definition, watched);
      },
    };
  }

  /** Ends them all with UNAVAILABLE, after what has been written to them. */
  end(): void {
    this.#ended = true;
    for (const call of this.#open) stop(call);
  }

  #watched(handle: Handle, stayer: RevalidatedStream | undefined): Handle {
    return (call, callback) => {
      handle(call, callback);
      if (callback !== undefined) return;
      this.#open.add(call);
      const leave = stayer?.(call.metadata, (refusal) => {
        call.emit("error", grpcStatus(refusal));
      });
      call.once("close", () => {
        this.#open.delete(call);
        leave?.();
      });
      if (this.#ended) stop(call);
    };
  }
}

/** @grpc/grpc-js takes an error event for the status to end with. */
function stop(call: EventEmitter): void {
  call.emit("error", grpcStatus(new CarillonError("unavailable", "this node is stopping")));
}
