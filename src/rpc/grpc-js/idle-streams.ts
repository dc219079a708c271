import type { EventEmitter } from "node:events";
import type { Metadata, Server, UntypedServiceImplementation } from "@grpc/grpc-js";
import type { CarillonError } from "../../errors.js";
import { nodeStopping } from "../call-errors.js";
import { grpcStatus } from "./grpc-status.js";

/** @grpc/grpc-js passes a callback to unary methods, and none to streaming ones. */
type Handle = (call: Stream, callback: unknown) => void;

type Stream = EventEmitter & { readonly metadata: Metadata };

/** Watches the permission of an open stream, and calls `onLost` once when it is lost. @returns stops watching */
export type RevalidatedStream = (metadata: Metadata, onLost: (refusal: CarillonError) => void) => () => void;

/**
 * Tracks the open streams of the libraries' services: health's Watch, and reflection. Their clients keep them open for as
 * long as they run, so a stopping node must end them instead of waiting.
 */
export class IdleStreams {
  readonly #open = new Set<EventEmitter>();
  #ended = false;

  /** Wraps the server for services to be tracked. @param revalidate - undefined: the service is open to everyone */
  wrap(server: Pick<Server, "addService">, revalidate?: RevalidatedStream): Pick<Server, "addService"> {
    return {
      addService: (definition, handlers) => {
        const watched: UntypedServiceImplementation = {};
        for (const [name, handle] of Object.entries(handlers))
          watched[name] = this.#track(handle as Handle, revalidate);
        server.addService(definition, watched);
      },
    };
  }

  /** Ends all streams with UNAVAILABLE, after the messages already written to them. */
  end(): void {
    this.#ended = true;
    for (const call of this.#open) stop(call);
  }

  #track(handle: Handle, revalidate: RevalidatedStream | undefined): Handle {
    return (call, callback) => {
      handle(call, callback);
      if (callback !== undefined) return;
      this.#open.add(call);
      const unwatch = revalidate?.(call.metadata, (refusal) => {
        call.emit("error", grpcStatus(refusal));
      });
      call.once("close", () => {
        this.#open.delete(call);
        unwatch?.();
      });
      if (this.#ended) stop(call);
    };
  }
}

/** Ends a stream. @grpc/grpc-js takes the status from an error event. */
function stop(call: EventEmitter): void {
  call.emit("error", grpcStatus(nodeStopping()));
}
