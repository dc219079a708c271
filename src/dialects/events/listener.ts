import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Outcome } from "../../commands/command.js";
import { invalidArgument } from "../../errors.js";
import { allowCredentials, answerPreflight } from "../../net/http-handler.js";
import { refuseUpgrade } from "../../transport/admission/refuse.js";
import { type AdmittedClientRequest, RequestAdmission } from "../../transport/admission/request-admission.js";
import { claimConnection } from "../../transport/http/http-stream.js";
import { refuseMethod } from "../../transport/http/methods.js";
import { parseRequestUrl } from "../../transport/http/request-url.js";
import { Heartbeat, type HeartbeatOptions } from "../../transport/websocket/heartbeat.js";
import { withResolvers } from "../../util/with-resolvers.js";
import type { ClientContext, ClientListener } from "../module.js";
import { vhostPaths } from "../routes.js";
import { type EventsConversation, EventsDialect } from "./dialect.js";
import { EventStream, type EventStreamContext, type StreamJoin } from "./event-stream.js";

const METHODS = "GET, OPTIONS";

/** Settings of the listener, and what all listeners for clients get. */
export interface EventsListenerOptions extends ClientContext {
  /** Path prefix, such as `/events`. */
  readonly base: string;
  readonly ping: Pick<HeartbeatOptions, "interval" | "timeout">;
}

/** Listener for clients of event streams. The HTTP listener checks origins, then passes on their requests. */
export class EventsListener implements ClientListener {
  readonly #options: EventsListenerOptions;
  readonly #dialect = new EventsDialect();
  readonly #admission: RequestAdmission;
  readonly #context: EventStreamContext;
  readonly #heartbeat: Heartbeat;
  readonly #streams = new Set<EventStream>();
  #onDrained: (() => void) | undefined;

  constructor(options: EventsListenerOptions) {
    const { admission, base, clientAddress, clock, exists, handshakes, onClosed, onFault, ping } = options;
    this.#options = options;
    this.#heartbeat = new Heartbeat({ clock, ...ping });
    this.#admission = new RequestAdmission({
      admission,
      clientAddress,
      clock,
      handshakes,
      onFault,
      nextId: () => options.sessionIds.next(),
      routeAt: vhostPaths(base, this.#dialect, exists),
      onRefused: options.onUpgradeRefused,
    });
    this.#context = {
      ...options,
      refuse: (response, error) => this.#admission.refuse(response, error),
      onClosed: (stream, code) => {
        this.#remove(stream);
        onClosed(code);
      },
    };
  }

  takes(path: string): boolean {
    const { base } = this.#options;
    return path === base || path.startsWith(`${base}/`);
  }

  get connections(): number {
    return this.#streams.size;
  }

  request(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers;
    if (origin !== undefined) allowCredentials(response, origin);
    if (request.method === "OPTIONS") {
      answerPreflight(request, response, METHODS, "authorization, last-event-id");
    } else if (request.method !== "GET") {
      refuseMethod(request.method, response, METHODS);
    } else this.#handleRequest(request, response);
  }

  upgrade(request: IncomingMessage, socket: Duplex): void {
    this.#options.onUpgradeRefused("not_found");
    const { pathname } = parseRequestUrl(request);
    refuseUpgrade(socket, "not_found", `no WebSocket at ${pathname}; this path is for event streams`);
  }

  close(): void {
    this.#admission.close();
    this.#heartbeat.stop();
  }

  drained(): Promise<void> {
    if (this.#streams.size === 0) return Promise.resolve();
    const { promise, resolve } = withResolvers<void>();
    this.#onDrained = resolve;
    return promise;
  }

  terminate(): void {
    for (const stream of this.#streams) stream.cut();
  }

  #handleRequest(request: IncomingMessage, response: ServerResponse): void {
    try {
      checkRequest(request, response);
      const url = parseRequestUrl(request);
      const conversation = this.#dialect.open({
        query: url.searchParams,
        connectionId: "",
        lastEventId: request.headers["last-event-id"]?.toString(),
      });
      const received = conversation.receive(url.search.slice(1));
      if (received.kind !== "command" || received.command.kind !== "join")
        throw invalidArgument(String(received.answer));
      const { answer, command } = received;
      const join = { command, answer: (outcome: Outcome) => String(answer(outcome)) };
      claimConnection(response);
      this.#admission.handle(request, url, response, (client) => {
        this.#openStream(client, conversation, join);
      });
    } catch (cause) {
      this.#admission.refuse(response, cause);
    }
  }

  #openStream(
    { admissionRequest, admitted, response }: AdmittedClientRequest,
    conversation: EventsConversation,
    join: StreamJoin,
  ): void {
    const { admission, onFault } = this.#options;
    const { connectionId } = admissionRequest;
    const facts = admission.describeClient(admissionRequest, admitted);
    const stream = new EventStream({ response, conversation, connectionId, facts }, this.#context);
    this.#streams.add(stream);
    this.#heartbeat.start();
    stream.watch = this.#heartbeat.add(stream);
    stream.start(admitted, join).catch(onFault);
  }

  #remove(stream: EventStream): void {
    this.#streams.delete(stream);
    stream.watch?.delete(stream);
    if (this.#streams.size === 0) this.#onDrained?.();
  }
}

/** @throws CarillonError invalid_argument: a request that cannot be answered with a stream */
function checkRequest({ headers }: IncomingMessage, { socket }: ServerResponse): void {
  // Node assigns the socket when the responses before this one have ended.
  if (socket === null) throw invalidArgument("a stream cannot follow an unanswered request on the same connection");
  if (headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0") {
    throw invalidArgument("the request has a body");
  }
}
