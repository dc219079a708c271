import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type ServerOptions, WebSocketServer } from "ws";
import type { AdmittedClient, Arrival } from "../../clients/admission.js";
import type { ClientFacts } from "../../clients/client.js";
import type { MessageIds } from "../../core/message.js";
import type { OutboxContext } from "../../core/outbox.js";
import { Session } from "../../core/session.js";
import type { Dialect } from "../../dialects/dialect.js";
import type { OpenRequestLease } from "../../net/byte-budget.js";
import { addressKey } from "../../net/ip-address.js";
import { withResolvers } from "../../util/with-resolvers.js";
import { chooseProtocol } from "../admission/credential.js";
import { type PendingUpgrade, UpgradeAdmission, type UpgradeAdmissionOptions } from "../admission/upgrade-admission.js";
import type { Inflations } from "../receiving/inflations.js";
import type { MessageDeadlines } from "../receiving/message-deadlines.js";
import { MessageMeter } from "../receiving/message-meter.js";
import { type ReceiverLimits, receiverLimits } from "../receiving/receiver-limits.js";
import { ClientWebSocket } from "./client-web-socket.js";
import { COMPRESSION, withdrawSmallWindows } from "./compression.js";
import { WebSocketConnection, type WebSocketConnectionContext } from "./connection.js";
import { webSocketEncoding } from "./encoding.js";
import type { Heartbeat } from "./heartbeat.js";

/** How long a peer may take to answer a close frame, in milliseconds; then its connection is cut. */
const CLOSE_TIMEOUT = 3_000;

/** What node reads from a socket at once, and so what may come after a connection has been paused. */
const READ_CHUNK_BYTES = 65_536;

export interface WebSocketListenerOptions
  extends Pick<WebSocketConnectionContext, "services" | "fanOut">,
    Pick<
      UpgradeAdmissionOptions,
      "routeAt" | "admit" | "credentialsOf" | "forwardOf" | "clientAddress" | "clock" | "onFault" | "onUpgradeRefused"
    > {
  readonly sessionIds: MessageIds;
  readonly heartbeat: Heartbeat;
  readonly limits: {
    /** Those who wait to be let in count too. */
    readonly connections: number;
    /** Largest frame of a client, in bytes, where its dialect says nothing else. */
    readonly frameBytes: number;
    /** So many frames in a row that are no command end a connection. */
    readonly malformedFrames: number;
  };
  readonly outbox: OutboxContext;
  /** How many clients are inside of the node; undefined: those of this listener. */
  readonly inside?: () => number;
  /** Whether compression is offered. */
  readonly compression: boolean;
  readonly inflations: Inflations;
  /** For what messages of a connection become. */
  readonly openLease: OpenRequestLease;
  readonly deadlines: MessageDeadlines;
  /** What else there is to know of a client that is let in. */
  readonly factsOf: (arrival: Arrival, admitted: AdmittedClient) => Omit<ClientFacts, "session">;
  /** Told of a client when it is connected. */
  readonly onOpened: (connection: WebSocketConnection, admitted: AdmittedClient) => void;
  /** Told the code with which a connection was closed: this side's where this side closed it. */
  readonly onClosed: (code: number) => void;
}

/** Makes sessions of the WebSocket clients that the HTTP listener lets through. */
export class WebSocketListener {
  readonly #options: WebSocketListenerOptions;
  readonly #door: UpgradeAdmission;
  /** By their dialects' names. */
  readonly #speakers = new Map<string, Speaker>();
  readonly #open = new Set<WebSocketConnection>();
  #onDrained: (() => void) | undefined;

  constructor(options: WebSocketListenerOptions) {
    this.#options = options;
    this.#door = new UpgradeAdmission({
      ...options,
      nextId: () => options.sessionIds.next(),
      inside: options.inside ?? (() => this.#open.size),
      limit: options.limits.connections,
      enter: (visit) => this.#enter(visit),
    });
  }

  get connections(): number {
    return this.#open.size;
  }

  /** Takes an upgrade whose origin has been checked. */
  upgrade(request: IncomingMessage, url: URL, socket: Duplex, head: Buffer): void {
    this.#door.knock(request, url, socket, head);
  }

  /** Lets nobody in any more; those who wait for it are refused. */
  close(): void {
    this.#door.close();
  }

  /** Resolves when every connection is gone. */
  drained(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    const { promise, resolve } = withResolvers<void>();
    this.#onDrained = resolve;
    return promise;
  }

  /** Cuts the connections that are left. */
  terminate(): void {
    for (const { webSocket } of this.#open) webSocket.terminate();
  }

  #enter(visit: PendingUpgrade): boolean {
    const { head, request, socket } = visit;
    let entered = false;
    withdrawSmallWindows(request);
    // The library calls back at once, or not at all: it has refused the handshake then.
    const speaker = this.#speakerOf(visit.route.dialect);
    speaker.server.handleUpgrade(request, socket, head, (webSocket) => {
      this.#accept(webSocket as ClientWebSocket, visit, speaker);
      entered = true;
    });
    return entered;
  }

  #speakerOf(dialect: Dialect): Speaker {
    const { name } = dialect;
    const limit = this.#options.limits.frameBytes;
    const frameBytes = dialect.frameBytes?.(limit) ?? limit;
    let speaker = this.#speakers.get(name);
    if (speaker === undefined) {
      speaker = { server: serverOf(this.#options, frameBytes), context: this.#contextOf(frameBytes), frameBytes };
      this.#speakers.set(name, speaker);
    }
    return speaker;
  }

  #contextOf(frameBytes: number): WebSocketConnectionContext {
    const { fanOut, limits, onClosed, services } = this.#options;
    return {
      services,
      fanOut,
      waitingBytes: frameBytes + READ_CHUNK_BYTES,
      malformedFrames: limits.malformedFrames,
      onClosed: (connection, code) => {
        this.#open.delete(connection);
        if (this.#open.size === 0) this.#onDrained?.();
        connection.watch?.delete(connection);
        onClosed(code);
      },
    };
  }

  #accept(webSocket: ClientWebSocket, visit: PendingUpgrade, { context, frameBytes }: Speaker): void {
    const { admitted, arrival, request, route, socket } = visit;
    const { deadlines, factsOf, heartbeat, inflations, onOpened, openLease, outbox } = this.#options;
    const { dialect } = route;
    const conversation = dialect.open({ query: arrival.upgrade.query, connectionId: arrival.connectionId });
    webSocket.useSocket(socket);
    webSocket.meter = new MessageMeter({
      webSocket,
      socket,
      lease: openLease(request, undefined),
      deadlines,
      onCut: (reason) => webSocket.connection?.cut(reason),
    });
    const isCompressed = webSocket.extensions !== "";
    if (isCompressed) {
      const { address } = arrival.origin;
      webSocket.useInflater(inflations.open(addressKey(address), openLease(request, undefined), frameBytes));
      webSocket.meter.inflater = webSocket.inflater;
    }
    const session = new Session({
      id: arrival.connectionId,
      vhost: arrival.vhost,
      encoding: webSocketEncoding(conversation.encoding, isCompressed),
      sink: webSocket,
      outbox,
    });
    const facts = { session, openedOnly: dialect.openedOnly === true, ...factsOf(arrival, admitted) };
    const connection = new WebSocketConnection(webSocket, facts, conversation, context);
    this.#open.add(connection);
    connection.watch = heartbeat.add(connection);
    connection.greet();
    onOpened(connection, admitted);
  }
}

/** What the connections of a dialect have in common: its own frames may be larger than others'. */
interface Speaker {
  readonly server: WebSocketServer;
  readonly context: WebSocketConnectionContext;
  readonly frameBytes: number;
}

function serverOf({ compression, limits }: WebSocketListenerOptions, frameBytes: number): WebSocketServer {
  // The library's type definitions lack some of its options.
  const options: ServerOptions & ReceiverLimits & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: compression && COMPRESSION,
    // What pieces may pin does not grow with what a dialect takes as a whole.
    ...receiverLimits(limits.frameBytes),
    maxPayload: frameBytes,
    closeTimeout: CLOSE_TIMEOUT,
    WebSocket: ClientWebSocket,
    handleProtocols: chooseProtocol,
  };
  return new WebSocketServer(options);
}
