import type { Socket as EngineSocket } from "engine.io";
import type { Server, Socket } from "socket.io";
import type { AdmissionRequest, AdmittedClient } from "../../../clients/admission.js";
import { openClient } from "../../../commands/on-behalf.js";
import type { OutboxContext } from "../../../core/outbox.js";
import { Session } from "../../../core/session.js";
import { CarillonError, type ChosenClose, type CloseReason, WEBSOCKET_CLOSE } from "../../../errors.js";
import { PendingDecision } from "../../../transport/admission/pending-decision.js";
import { READ_CHUNK_BYTES } from "../../../transport/command-queue.js";
import type { WebSocketListenerOptions } from "../../../transport/websocket/websocket-listener.js";
import { withResolvers } from "../../../util/with-resolvers.js";
import { SocketIoDialect } from "../dialect.js";
import type { SocketIoSettings } from "../settings.js";
import { ConnectError, createAdmissionRequest } from "./admission-request.js";
import { SocketIoConnection, type SocketIoContext } from "./connection.js";
import type { EngineConnection } from "./engine-connection.js";
import { packetFrames, socketIoEncoding } from "./frames.js";
import { NamespaceSession } from "./namespace-session.js";
import { CLIENT_EVENT, type ClientEvent } from "./parser.js";
import { SocketIoSink } from "./sink.js";

/**
 * Reasons after which clients should reconnect. Stock clients reconnect after a lost connection, but not after a DISCONNECT
 * packet.
 */
const RECONNECT_REASONS: ReadonlySet<CloseReason | ChosenClose> = new Set<CloseReason>([
  "service_restart",
  "slow_consumer",
  "overloaded",
  "ping_timeout",
  "not_joined",
]);

/** Close codes for the library's reasons; any other reason is a lost connection. */
const CODES: Readonly<Record<string, readonly [code: number, text: string]>> = {
  "client namespace disconnect": [1000, ""],
  "ping timeout": WEBSOCKET_CLOSE.ping_timeout,
};
const LOST = [1006, ""] as const;

export interface NamespacesOptions
  extends Pick<
    WebSocketListenerOptions,
    "commandContext" | "fanOut" | "admission" | "clock" | "onFault" | "sessionIds" | "onClosed"
  > {
  readonly outbox: OutboxContext;
  readonly exists: (vhost: string) => boolean;
  readonly settingsFor: (vhost: string) => SocketIoSettings;
  readonly frameBytes: number;
  /** Number of consecutive packets without an event that ends a connection. */
  readonly malformedFrames: number;
  readonly findConnection: (socket: EngineSocket) => EngineConnection | undefined;
  /** @throws CarillonError unavailable */
  readonly checkCapacity: () => void;
  /** Called when a connection has left its last namespace. */
  readonly onEmpty: (connection: EngineConnection) => void;
}

type Next = (error?: Error) => void;

/** Serves each vhost as a namespace. Each client in a namespace has a session. */
export class Namespaces {
  readonly #options: NamespacesOptions;
  readonly #dialect = new SocketIoDialect();
  readonly #context: SocketIoContext;

  constructor(server: Server, options: NamespacesOptions) {
    this.#options = options;
    const { fanOut, frameBytes, malformedFrames, commandContext } = options;
    this.#context = { commandContext, fanOut, malformedFrames, waitingBytes: frameBytes + READ_CHUNK_BYTES };
    const others = server.of((name, _auth, next) => {
      next(null, options.exists(name));
    });
    for (const namespace of [server.of("/"), others]) {
      namespace.use((socket, next) => {
        void this.#arrive(socket, next);
      });
      namespace.on("connection", (socket) => {
        this.#enter(socket);
      });
    }
  }

  async #arrive(socket: Socket, next: Next): Promise<void> {
    const connection = this.#options.findConnection(socket.conn);
    let namespaceSession: NamespaceSession | undefined;
    try {
      namespaceSession = this.#createSession(socket, connection);
      namespaceSession.admit(await this.#decide(namespaceSession.admissionRequest));
      this.#checkVhost(namespaceSession);
      next();
    } catch (cause) {
      if (!(cause instanceof CarillonError)) this.#options.onFault(cause);
      if (namespaceSession === undefined) connection?.forgetNamespace(socket.nsp.name);
      else namespaceSession.leave();
      if (namespaceSession?.connection.sessions.size === 0) this.#options.onEmpty(namespaceSession.connection);
      next(new ConnectError(CarillonError.from(cause), socket.conn.protocol));
    }
  }

  /** @throws CarillonError */
  #createSession(socket: Socket, connection: EngineConnection | undefined): NamespaceSession {
    const { admission, checkCapacity, sessionIds } = this.#options;
    if (connection === undefined) throw new CarillonError("unavailable", "the connection has ended");
    const vhost = socket.nsp.name;
    checkCapacity();
    const admissionRequest = createAdmissionRequest({
      vhost,
      dialect: this.#dialect.name,
      connectionId: sessionIds.next(),
      address: connection.address,
      request: socket.request,
      auth: socket.handshake.auth,
      places: admission.credentialSources(vhost),
      forward: admission.forwardedParts(vhost),
    });
    const namespaceSession = new NamespaceSession(connection, admissionRequest);
    rename(socket, admissionRequest.connectionId);
    return namespaceSession;
  }

  /** @throws CarillonError the refusal; unavailable when the decision takes too long */
  #decide(admissionRequest: AdmissionRequest): Promise<AdmittedClient> {
    const { admission, clock } = this.#options;
    const { promise, reject, resolve } = withResolvers<AdmittedClient>();
    const decide = async (): Promise<AdmittedClient> => admission.admit(admissionRequest);
    new PendingDecision(decide(), clock, { onAdmitted: resolve, onRefused: reject });
    return promise;
  }

  /** Checks that the vhost was not deleted during the decision. */
  #checkVhost({ admissionRequest: { vhost } }: NamespaceSession): void {
    if (!this.#options.exists(vhost)) throw new CarillonError("not_found", `unknown vhost ${JSON.stringify(vhost)}`);
  }

  /** Creates the session of a client that the library has connected. */
  #enter(socket: Socket): void {
    const namespaceSession = this.#options.findConnection(socket.conn)?.sessions.get(socket.nsp.name);
    const admitted = namespaceSession?.take();
    if (namespaceSession === undefined || admitted === undefined) {
      socket.disconnect();
      return;
    }
    try {
      const connection = this.#connect(socket, namespaceSession, admitted);
      openClient(connection.client, admitted, this.#options.commandContext);
    } catch (cause) {
      // The vhost may have been deleted meanwhile.
      if (!(cause instanceof CarillonError)) this.#options.onFault(cause);
      admitted.release();
      namespaceSession.leave();
      socket.disconnect();
    }
  }

  #connect(socket: Socket, namespaceSession: NamespaceSession, admitted: AdmittedClient): SocketIoConnection {
    const { admission, outbox, settingsFor } = this.#options;
    const { admissionRequest } = namespaceSession;
    const { connectionId: id, vhost } = admissionRequest;
    const elevated = admissionRequest.credential !== undefined || admitted.principal.user !== undefined;
    const conversation = this.#dialect.open({
      query: admissionRequest.upgrade.query,
      connectionId: id,
      namespace: vhost,
      settings: () => settingsFor(vhost),
      elevated,
    });
    const sink: SocketIoSink = new SocketIoSink(socket.conn, namespaceSession.connection.queue, (reason) => {
      sink.write(packetFrames(conversation.endText(reason)));
      namespaceSession.connection.queue.flush();
      // Deferred, because the caller may be iterating over the sessions.
      queueMicrotask(() => end(socket, namespaceSession, reason));
    });
    const encoding = socketIoEncoding(conversation.encoding);
    const session = new Session({ id, vhost, encoding, sink, outbox });
    const connection = new SocketIoConnection(
      { session, ...admission.describeClient(admissionRequest, admitted) },
      namespaceSession,
      conversation,
      this.#context,
    );
    const onEvent: ClientEvent = (text, acknowledge, attachments) => {
      connection.receive({ text, acknowledge, attachments });
    };
    socket.on(CLIENT_EVENT, onEvent);
    socket.on("disconnect", (reason) => {
      this.#left(connection, reason);
    });
    return connection;
  }

  #left(connection: SocketIoConnection, reason: string): void {
    const { namespaceSession } = connection;
    const { cutFor } = namespaceSession.connection;
    const code = connection.closed(...(cutFor === undefined ? (CODES[reason] ?? LOST) : WEBSOCKET_CLOSE[cutFor]));
    namespaceSession.leave();
    this.#options.onClosed(code);
    if (namespaceSession.connection.sessions.size === 0) this.#options.onEmpty(namespaceSession.connection);
  }
}

/** Ends a socket after the written packets, and its connection if it has no other namespace. */
function end(socket: Socket, { connection }: NamespaceSession, reason: CloseReason | ChosenClose): void {
  const reconnects = RECONNECT_REASONS.has(reason);
  if (!reconnects) socket.disconnect();
  if (reconnects || !connection.connected) connection.close();
}

/**
 * Gives a socket the id of its session, so that backends can address it. The library keeps pending sockets by id, and looks for this
 * one by its new id after admission.
 */
function rename(socket: Socket, id: string): void {
  const sockets = pendingSockets(socket);
  sockets.delete(socket.id);
  Object.assign(socket, { id });
  sockets.set(id, socket);
}

/** Returns the namespace's sockets before admission, a private map of the library. */
function pendingSockets({ nsp }: Socket): Map<string, Socket> {
  return (nsp as unknown as Readonly<Record<typeof PENDING_SOCKETS, Map<string, Socket>>>)[PENDING_SOCKETS];
}

const PENDING_SOCKETS = "_preConnectSockets";
