import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Server, ServiceDefinition } from "@grpc/grpc-js";
import { CarillonError } from "../../errors.js";
import type { ByteBudget, ByteLease } from "../../net/byte-budget.js";
import { normalizeIpAddress } from "../../net/ip-address.js";
import { ignore } from "../../util/ignore.js";
import { type OnFault, toCallerError } from "../faults.js";
import { readEncoding } from "../grpc/message-encoding.js";
import { OverdueRequests } from "../grpc/overdue-requests.js";
import { statusHeaders } from "../grpc/status-headers.js";
import { UnreadCalls } from "../grpc/unread-calls.js";
import { checkGrpcTimeout } from "../timeout-headers.js";
import { GrpcRequest, type GrpcRequestHost, type MethodRules } from "./grpc-request.js";

/** Bounds on the requests of a service. */
export type RequestRules = Omit<MethodRules, "streaming">;

export interface GrpcGateOptions {
  readonly budget: ByteBudget;
  /** Milliseconds within which a request must arrive. */
  readonly requestTimeout: number;
  /** Milliseconds for which a caller may leave its answer unread. */
  readonly answerTimeout: number;
  readonly onFault: OnFault;
}

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/**
 * Checks the headers of each call before @grpc/grpc-js does. It refuses calls of unknown methods, with a malformed or expired
 * deadline, or with an unsupported compression, without reading their requests.
 */
export class GrpcGate {
  readonly #budget: ByteBudget;
  readonly #onFault: OnFault;
  /** Services shared by all requests. */
  readonly #host: GrpcRequestHost;
  readonly #methods = new Map<string, MethodRules>();
  readonly #addresses = new WeakMap<ServerHttp2Session, string>();
  #openingRequest: GrpcRequest | undefined;

  constructor({ answerTimeout, budget, onFault, requestTimeout }: GrpcGateOptions) {
    this.#budget = budget;
    this.#onFault = onFault;
    this.#host = {
      unread: new UnreadCalls(answerTimeout),
      overdue: new OverdueRequests(requestTimeout),
      openLease: (stream, key) => this.#openLease(stream, key),
    };
  }

  /** Request of the call that is being passed to the library. The library creates the call's interceptors in the same turn. */
  get openingRequest(): GrpcRequest | undefined {
    return this.#openingRequest;
  }

  /** Admits calls of the service's methods. */
  allow(definition: ServiceDefinition, rules: RequestRules): void {
    for (const { path, requestStream } of Object.values(definition)) {
      this.#methods.set(path, { ...rules, streaming: requestStream });
    }
  }

  /**
   * Replaces the library's stream listener on all connections.
   * @param server - must already have its connection injector
   * @param onSession - called for each connection, in the turn in which it is injected
   * @throws Error if the library's internals differ from what this needs
   */
  guard(server: Server, onSession: (session: ServerHttp2Session) => void): void {
    const { http2Servers } = server as unknown as { readonly http2Servers: ReadonlyMap<Http2Server, unknown> };
    const [http2Server] = http2Servers.keys();
    const [library] = http2Server?.listeners("stream") ?? [];
    if (http2Server === undefined || library === undefined) throw new Error("@grpc/grpc-js has no HTTP/2 server");
    http2Server.on("session", onSession);
    http2Server.removeAllListeners("stream");
    http2Server.on("stream", (stream, headers) => this.#open(stream, headers, library as OnStream));
  }

  #open(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, library: OnStream): void {
    // The library itself answers with 415.
    if (headers["content-type"]?.startsWith("application/grpc") !== true) {
      library(stream, headers);
      return;
    }
    try {
      const rules = this.#findRules(headers);
      const encoding = readEncoding(readText(headers, "grpc-encoding"), rules.compression);
      const timeout = checkGrpcTimeout(readText(headers, "grpc-timeout"));
      // The library receives messages already inflated.
      delete headers["grpc-encoding"];
      if (timeout !== undefined) headers["grpc-timeout"] = timeout;
      const request = new GrpcRequest(stream, { rules, encoding, host: this.#host });
      this.#openingRequest = request;
      library(stream, headers);
      request.takeOver();
    } catch (cause) {
      refuse(stream, toCallerError(cause, this.#onFault));
      const { unread } = this.#host;
      const entry = unread.add(stream);
      stream.once("close", () => unread.remove(entry));
    } finally {
      this.#openingRequest = undefined;
    }
  }

  #findRules(headers: IncomingHttpHeaders): MethodRules {
    const rules = this.#methods.get(headers[":path"] ?? "");
    if (rules === undefined) throw new CarillonError("unimplemented", "unknown method");
    return rules;
  }

  #openLease({ session }: ServerHttp2Stream, key: string | undefined): ByteLease {
    if (session === undefined) return this.#budget.open({ address: "", key });
    let address = this.#addresses.get(session as ServerHttp2Session);
    if (address === undefined) {
      const { remoteAddress = "" } = session.socket;
      address = normalizeIpAddress(remoteAddress) ?? "";
      this.#addresses.set(session as ServerHttp2Session, address);
    }
    return this.#budget.open({ address, key });
  }
}

function readText(headers: IncomingHttpHeaders, name: string): string | undefined {
  return headers[name]?.toString();
}

/** Answers with a status only, and discards the request. */
function refuse(stream: ServerHttp2Stream, error: CarillonError): void {
  // The caller has disconnected.
  stream.on("error", ignore);
  if (stream.headersSent || stream.destroyed) return;
  stream.respond(statusHeaders(error), { endStream: true });
  stream.resume();
}
