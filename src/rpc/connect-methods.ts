import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Backend, BackendCredentials } from "../access/backend.js";
import type { Gatekeeper } from "./gatekeeper.js";
import { OpenStream } from "./open-stream.js";
import type { Call, ExtendedJson, Method } from "./services.js";

/** A backend that has been let in, and by what. */
export interface Caller {
  readonly backend: Backend;
  readonly credentials: BackendCredentials;
}

/** Where the mount puts who calls. */
export const CALLER = createContextKey<Caller | undefined>(undefined);

/** Where the mount puts what a request that is JSON holds beyond its message's fields. */
export const EXTENDED_JSON = createContextKey<ExtendedJson | undefined>(undefined);

/** A method as Connect calls it. */
export function connectMethod(method: Method, gatekeeper: Gatekeeper) {
  return method.desc.methodKind === "server_streaming" ? streaming(method, gatekeeper) : unary(method);
}

function unary({ handle }: Method) {
  return (request: object, context: HandlerContext): unknown => {
    const { backend } = callerOf(context);
    const call: Call = { backend, signal: context.signal, deadline: deadlineOf(context) };
    const extended = context.values.get(EXTENDED_JSON);
    return handle(extended === undefined ? request : extended.complete(request), call);
  };
}

function streaming({ action, handle }: Method, gatekeeper: Gatekeeper) {
  return async function* (request: unknown, context: HandlerContext): AsyncGenerator {
    const { backend, credentials } = callerOf(context);
    const open = new OpenStream(gatekeeper, { backend, credentials, action, deadline: deadlineOf(context) });
    const abort = (): void => {
      open.abort(context.signal.reason);
    };
    context.signal.addEventListener("abort", abort);
    if (context.signal.aborted) abort();
    try {
      yield* handle(request, open) as AsyncIterable<unknown>;
    } finally {
      context.signal.removeEventListener("abort", abort);
      open.close();
    }
  };
}

/** In milliseconds since the epoch. Connect has what is left of it. */
function deadlineOf(context: HandlerContext): number | undefined {
  const left = context.timeoutMs();
  return left === undefined ? undefined : Date.now() + left;
}

function callerOf({ values }: HandlerContext): Caller {
  const caller = values.get(CALLER);
  if (caller === undefined) throw new Error("a call came past the mount");
  return caller;
}
