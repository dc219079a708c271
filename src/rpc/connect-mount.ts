import type { IncomingMessage, ServerResponse } from "node:http";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { CarillonError, GRPC_STATUS } from "../errors.js";
import type { OnFault } from "./faults.js";
import type { ServiceImplementations } from "./services.js";

export interface ConnectMountOptions {
  readonly services: ServiceImplementations;
  /** Largest request, in bytes. */
  readonly requestBytes: number;
  /** Told of errors that are no refusal but a fault of ours. */
  readonly onFault: OnFault;
}

export interface ConnectMount {
  /** What paths of the services begin with. */
  readonly prefixes: readonly string[];
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
}

/** The same services by Connect, gRPC-Web and Connect-JSON, for the HTTP port. */
export function connectMount({ onFault, requestBytes, services }: ConnectMountOptions): ConnectMount {
  const handler = connectNodeAdapter({
    routes: (router) => {
      for (const { implementation, service } of services) router.service(service, implementation);
    },
    readMaxBytes: requestBytes,
    interceptors: [sayErrors(onFault)],
  });
  return { prefixes: services.map(({ service }) => `/${service.typeName}/`), handler };
}

/** Turns our errors into Connect's, in answers and in the middle of streams. */
function sayErrors(onFault: OnFault): Interceptor {
  const said = (cause: unknown): ConnectError => {
    if (cause instanceof ConnectError) return cause;
    const error = CarillonError.from(cause);
    if (error.code === "internal") onFault(cause);
    return new ConnectError(error.message, GRPC_STATUS[error.code] as Code);
  };
  async function* saidWithin<T>(stream: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* stream;
    } catch (cause) {
      throw said(cause);
    }
  }
  return (next) => async (request) => {
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: saidWithin(response.message) } : response;
    } catch (cause) {
      throw said(cause);
    }
  };
}
