import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type ServerOptions, WebSocketServer } from "ws";
import type { AdmissionControl } from "../../clients/admission-control.js";
import { openClient } from "../../commands/on-behalf.js";
import type { MessageIds } from "../../core/message.js";
import type { OutboxContext } from "../../core/outbox.js";
import { Session } from "../../core/session.js";
import type { Dialect } from "../../dialects/dialect.js";
import type { OpenRequestLease } from "../../net/byte-budget.js";
import { toAddressKey } from "../../net/ip-address.js";
import { withResolvers } from "../../util/with-resolvers.js";
import type { UpgradePolicy } from "../admission/admission-request.js";
import { chooseProtocol } from "../admission/credential.js";
import { type PendingUpgrade, UpgradeAdmission, type UpgradeAdmissionOptions } from "../admission/upgrade-admission.js";
import { READ_CHUNK_BYTES } from "../command-queue.js";
import type { Inflations } from "../receiving/inflations.js";
import type { MessageDeadlines } from "../receiving/message-deadlines.js";
import { MessageMeter } from "../receiving/message-meter.js";
import { createReceiverLimits, type ReceiverLimits } from "../receiving/receiver-limits.js";
import { ClientWebSocket } from "./client-web-socket.js";
import { COMPRESSION, withdrawSmallWindows } from "./compression.js";
import { WebSocketConnection, type WebSocketConnectionContext } from "./connection.js";
import { findDescriptor, NO_DESCRIPTOR } from "./direct-write.js";
import { getWebSocketEncoding } from "./encoding.js";
import type { Heartbeat } from "./heartbeat.js";

/** Milliseconds in which a peer must answer a close frame before its connection is cut. */
const CLOSE_TIMEOUT = 3_000;

export interface WebSocketListenerOptions
  extends Pick<WebSocketConnectionContext, "commandContext" | "fanOut">,
    Pick<
      UpgradeAdmissionOptions,
      "routeAt" | "clientAddress" | "clock" | "handshakes" | "onFault" | "onUpgradeRefused"
    > {
  readonly admission: UpgradePolicy & Pick<AdmissionControl, "describeClient">;
  readonly sessionIds: MessageIds;
  readonly heartbeat: Heartbeat;
  readonly limits: {
    /** Largest frame of a client, in bytes, unless its dialect sets another limit. */
    readonly frameBytes: number;
    /** Number of consecutive malformed frames that ends a connection. */
    readonly malformedFrames: number;
  };
  readonly outbox: OutboxContext;
  /** Whether compression is offered. */
  readonly compression: boolean;
  /** Whether frames are written to plain TCP connections without their streams. */
  readonly directWrites: boolean;
  readonly inflations: Inflations;
  /** Opens a lease for the bytes that a connection's messages hold. */
  readonly openLease: OpenRequestLease;
  readonly deadlines: MessageDeadlines;
  /** Called with the close code of a connection: this node's if it closed the connection, otherwise the peer's. */
  readonly onClosed: (code: number) => void;
}

/** Opens sessions for the WebSocket clients that the HTTP listener passes on. */
export class WebSocketListener {
  readonly #options: WebSocketListenerOptions;
  readonly #admission: UpgradeAdmission;
  /** Servers by dialect name. */
  readonly #servers = new Map<string, DialectServer>();
  readonly #open = new Set<WebSocketConnection>();
  #onDrained: (() => void) | undefined;

  constructor(options: WebSocketListenerOptions) {
    this.#options = options;
    this.#admission = new UpgradeAdmission({
      ...options,
      nextId: () => options.sessionIds.next(),
      openSession: (upgrade) => this.#openSession(upgrade),
    });
  }

  get connections(): number {
    return this.#open.size;
  }

  /** Handles an upgrade whose origin has been checked. */
  upgrade(request: IncomingMessage, url: URL, socket: Duplex, head: Buffer): void {
    this.#admission.handle(request, url, socket, head);
  }

  /** Refuses all further clients, and those whose admission is pending. */
  close(): void {
    this.#admission.close();
  }

  /** Resolves when every connection has ended. */
  drained(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    const { promise, resolve } = withResolvers<void>();
    this.#onDrained = resolve;
    return promise;
  }

  /** Cuts the remaining connections. */
  terminate(): void {
    for (const { webSocket } of this.#open) webSocket.terminate();
  }

  #openSession(upgrade: PendingUpgrade): boolean {
    const { head, request, socket } = upgrade;
    let opened = false;
    withdrawSmallWindows(request);
    // The library calls back synchronously, or not at all if it has refused the handshake.
    const dialectServer = this.#getServer(upgrade.route.dialect);
    dialectServer.server.handleUpgrade(request, socket, head, (webSocket) => {
      this.#accept(webSocket as ClientWebSocket, upgrade, dialectServer);
      opened = true;
    });
    return opened;
  }

  #getServer(dialect: Dialect): DialectServer {
    const { name } = dialect;
    const limit = this.#options.limits.frameBytes;
    const frameBytes = dialect.frameBytes?.(limit) ?? limit;
    let found = this.#servers.get(name);
    if (found === undefined) {
      found = { server: createServer(this.#options, frameBytes), context: this.#createContext(frameBytes), frameBytes };
      this.#servers.set(name, found);
    }
    return found;
  }

  #createContext(frameBytes: number): WebSocketConnectionContext {
    const { fanOut, limits, onClosed, commandContext } = this.#options;
    return {
      commandContext,
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

  #accept(webSocket: ClientWebSocket, upgrade: PendingUpgrade, { context, frameBytes }: DialectServer): void {
    const { admitted, admissionRequest, request, route, socket } = upgrade;
    const { admission, deadlines, directWrites, heartbeat, inflations, openLease, outbox, commandContext } =
      this.#options;
    const { dialect } = route;
    const conversation = dialect.open({
      query: admissionRequest.upgrade.query,
      connectionId: admissionRequest.connectionId,
    });
    webSocket.useSocket(socket, directWrites ? findDescriptor(socket) : NO_DESCRIPTOR);
    webSocket.meter = new MessageMeter({
      webSocket,
      socket,
      lease: openLease(request, undefined),
      deadlines,
      onCut: (reason) => webSocket.connection?.cut(reason),
    });
    const isCompressed = webSocket.extensions !== "";
    if (isCompressed) {
      const { address } = admissionRequest.origin;
      webSocket.useInflater(inflations.open(toAddressKey(address), openLease(request, undefined), frameBytes));
      webSocket.meter.inflater = webSocket.inflater;
    }
    const session = new Session({
      id: admissionRequest.connectionId,
      vhost: admissionRequest.vhost,
      encoding: getWebSocketEncoding(conversation.encoding, isCompressed),
      sink: webSocket,
      outbox,
    });
    const facts = {
      session,
      openedOnly: dialect.openedOnly === true,
      ...admission.describeClient(admissionRequest, admitted),
    };
    const connection = new WebSocketConnection(webSocket, facts, conversation, context);
    this.#open.add(connection);
    connection.watch = heartbeat.add(connection);
    connection.greet();
    openClient(connection.client, admitted, commandContext);
  }
}

/** Server and limits of a dialect, shared by its connections. */
interface DialectServer {
  readonly server: WebSocketServer;
  readonly context: WebSocketConnectionContext;
  readonly frameBytes: number;
}

function createServer({ compression, limits }: WebSocketListenerOptions, frameBytes: number): WebSocketServer {
  // The library's type definitions lack some of its options.
  const options: ServerOptions & ReceiverLimits & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: compression && COMPRESSION,
    // These limits use the node's frame limit, so that a dialect with larger frames does not let a client pin more memory.
    ...createReceiverLimits(limits.frameBytes),
    maxPayload: frameBytes,
    closeTimeout: CLOSE_TIMEOUT,
    WebSocket: ClientWebSocket,
    handleProtocols: chooseProtocol,
  };
  return new WebSocketServer(options);
}
