import type { Socket as EngineSocket } from "engine.io";
import type { Server, Socket } from "socket.io";
import type { AdmissionRequest, AdmittedClient } from "../../../clients/admission.js";
import { joinAdmitted, openClient } from "../../../commands/on-behalf.js";
import { recoverSession } from "../../../commands/recover-session.js";
import type { OutboxContext } from "../../../core/outbox.js";
import { Session } from "../../../core/session.js";
import { CarillonError, type ChosenClose, type CloseReason, WEBSOCKET_CLOSE } from "../../../errors.js";
import { PendingDecision } from "../../../transport/admission/pending-decision.js";
import { READ_CHUNK_BYTES } from "../../../transport/command-queue.js";
import type { WebSocketListenerOptions } from "../../../transport/websocket/websocket-listener.js";
import { withResolvers } from "../../../util/with-resolvers.js";
import { type SocketIoConversation, SocketIoDialect, SPECTATED } from "../dialect.js";
import { isRecoveredElsewhere } from "../recovery/recovered-elsewhere.js";
import {
  type EarlierSession,
  type RecoveryOffer,
  RecoveryOffers,
  type RecoveryOffersOptions,
} from "../recovery/recovery-offers.js";
import { SessionOffsets } from "../recovery/session-offsets.js";
import { ConnectError, createAdmissionRequest } from "./admission-request.js";
import { SocketIoConnection, type SocketIoContext } from "./connection.js";
import type { EngineConnection } from "./engine-connection.js";
import { packetFrames, socketIoEncoding } from "./frames.js";
import { NamespaceSession } from "./namespace-session.js";
import { CLIENT_EVENT, type ClientEvent } from "./parser.js";
import { changePendingId, renamePendingSocket } from "./pending-sockets.js";
import { SocketIoSink } from "./sink.js";

/**
 * Reasons after which clients should reconnect. Stock clients reconnect after a lost connection, but not after a DISCONNECT
 * packet.
 */
const RECONNECT_REASONS: ReadonlySet<CloseReason | ChosenClose> = new Set<CloseReason>([
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
    >,
    RecoveryOffersOptions {
  readonly outbox: OutboxContext;
  readonly exists: (vhost: string) => boolean;
  readonly frameBytes: number;
  /** Number of consecutive packets without an event that ends a connection. */
  readonly malformedFrames: number;
  readonly findConnection: (socket: EngineSocket) => EngineConnection | undefined;
  /** Ends the session with this id on other nodes, whose connection the client has lost. Never throws. */
  readonly endElsewhere: (vhost: string, id: string) => void;
  /** @throws CarillonError unavailable */
  readonly checkCapacity: () => void;
  /** Called when a connection has left its last namespace. */
  readonly onEmpty: (connection: EngineConnection) => void;
}

type Next = (error?: Error) => void;

interface RecoveredClient {
  readonly connection: SocketIoConnection;
  /** Topics that the connect hook has chosen. */
  readonly topics: readonly string[];
}

interface OffsetSource {
  readonly conversation: SocketIoConversation;
  /** The connection is created after its offsets. */
  readonly findConnection: () => SocketIoConnection;
}

/** Serves each vhost as a namespace. Each client in a namespace has a session. */
export class Namespaces {
  readonly #options: NamespacesOptions;
  readonly #dialect = new SocketIoDialect();
  readonly #context: SocketIoContext;
  readonly #offers: RecoveryOffers;
  /** Recovered clients that the library has not connected yet. */
  readonly #recovered = new WeakMap<NamespaceSession, RecoveredClient>();
  /** Offers to clients that the library has not connected yet. */
  readonly #pendingOffers = new WeakMap<NamespaceSession, RecoveryOffer>();

  constructor(server: Server, options: NamespacesOptions) {
    this.#options = options;
    this.#offers = new RecoveryOffers(options);
    const { fanOut, frameBytes, malformedFrames, commandContext } = options;
    this.#context = { commandContext, fanOut, malformedFrames, waitingBytes: frameBytes + READ_CHUNK_BYTES };
    const others = server.of((name, _auth, next) => {
      next(null, options.exists(name));
    });
    for (const namespace of [server.of("/"), others]) {
      namespace.use((socket, next) => {
        void this.#admit(socket, next);
      });
      namespace.on("connection", (socket) => {
        this.#openSession(socket);
      });
    }
  }

  async #admit(socket: Socket, next: Next): Promise<void> {
    const connection = this.#options.findConnection(socket.conn);
    let namespaceSession: NamespaceSession | undefined;
    try {
      namespaceSession = this.#createSession(socket, connection);
      const { auth } = socket.handshake;
      const preparing = this.#offers.prepare(socket.nsp.name, socket.conn.protocol, auth);
      const offer = preparing === undefined ? undefined : await preparing;
      if (offer?.earlier !== undefined) changePendingId(socket, namespaceSession, offer.earlier.id);
      namespaceSession.admit(await this.#decide(namespaceSession.admissionRequest));
      this.#checkVhost(namespaceSession);
      if (offer !== undefined) await this.#applyOffer(socket, namespaceSession, offer);
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
    renamePendingSocket(socket, admissionRequest.connectionId);
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

  /** Recovers the client's earlier session, or prepares a new one that can be recovered later. @throws CarillonError a refusal */
  async #applyOffer(socket: Socket, namespaceSession: NamespaceSession, offer: RecoveryOffer): Promise<void> {
    const { earlier, key } = offer;
    if (earlier !== undefined && !(await this.#recover(socket, namespaceSession, { ...offer, earlier }))) {
      const id = this.#options.sessionIds.next();
      changePendingId(socket, namespaceSession, id);
      await namespaceSession.admitted?.changeConnectionId(id);
      this.#checkVhost(namespaceSession);
    }
    this.#pendingOffers.set(namespaceSession, { key, earlier: undefined });
    // The library sends it with the session's id.
    Object.assign(socket, { pid: key.createPid(socket.id) });
  }

  /** Recovers an earlier session. @returns false where that is impossible, and a new session must be created */
  async #recover(
    socket: Socket,
    namespaceSession: NamespaceSession,
    offer: RecoveryOffer & { readonly earlier: EarlierSession },
  ): Promise<boolean> {
    const { commandContext, endElsewhere, onFault } = this.#options;
    const { admitted } = namespaceSession;
    const { id, state } = offer.earlier;
    if (admitted === undefined) return false;
    const connection = this.#connect(socket, namespaceSession, admitted, offer);
    const { client } = connection;
    const { topics } = admitted;
    if (!offer.key.isTag(state.tag, connection.identity)) return false;
    namespaceSession.whenEnded(() => client.session.end());
    endElsewhere(client.vhost.name, id);
    let recovered = false;
    const onRecovered = (): void => {
      // The client has lost this connection, which has not been noticed yet.
      const previous = commandContext.clients.get(id)?.connection;
      if (previous instanceof SocketIoConnection) previous.namespaceSession.connection.cut();
      namespaceSession.take();
      commandContext.clients.add(client);
      this.#recovered.set(namespaceSession, { connection, topics });
      namespaceSession.whenEnded(() => this.#left(connection, ""));
      recovered = true;
    };
    const group = { name: SPECTATED, topics: state.grouped };
    const granted = new Set(topics);
    try {
      await recoverSession(client, { positions: state.positions, group, granted, onRecovered }, commandContext);
    } catch (cause) {
      if (!(cause instanceof CarillonError)) onFault(cause);
    }
    if (!recovered) namespaceSession.whenEnded(undefined);
    return recovered;
  }

  /** Checks that the vhost was not deleted during the decision. */
  #checkVhost({ admissionRequest: { vhost } }: NamespaceSession): void {
    if (!this.#options.exists(vhost)) throw new CarillonError("not_found", `unknown vhost ${JSON.stringify(vhost)}`);
  }

  /** Creates the session of a client that the library has connected. */
  #openSession(socket: Socket): void {
    const namespaceSession = this.#options.findConnection(socket.conn)?.sessions.get(socket.nsp.name);
    const recovered = namespaceSession && this.#recovered.get(namespaceSession);
    if (recovered !== undefined) {
      this.#resumeSession(socket, recovered);
      return;
    }
    const admitted = namespaceSession?.take();
    if (namespaceSession === undefined || admitted === undefined) {
      socket.disconnect();
      return;
    }
    try {
      const connection = this.#connect(socket, namespaceSession, admitted, this.#pendingOffers.get(namespaceSession));
      this.#attach(socket, connection);
      openClient(connection.client, admitted, this.#options.commandContext);
    } catch (cause) {
      // The vhost may have been deleted meanwhile.
      if (!(cause instanceof CarillonError)) this.#options.onFault(cause);
      admitted.release();
      namespaceSession.leave();
      socket.disconnect();
    }
  }

  /** Serves a recovered client that the library has connected. */
  #resumeSession(socket: Socket, { connection, topics }: RecoveredClient): void {
    const { client, namespaceSession } = connection;
    namespaceSession.whenEnded(undefined);
    this.#attach(socket, connection);
    const { endedFor, open } = client.session;
    if (open) joinAdmitted(client, topics, this.#options.commandContext);
    else if (endedFor !== undefined) end(socket, namespaceSession, endedFor);
  }

  /** Creates the session of a client. @throws CarillonError not_found: the vhost was deleted meanwhile */
  #connect(
    socket: Socket,
    namespaceSession: NamespaceSession,
    admitted: AdmittedClient,
    offer: RecoveryOffer | undefined,
  ): SocketIoConnection {
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
      recoverable: offer !== undefined,
    });
    const sink: SocketIoSink = new SocketIoSink(socket.conn, namespaceSession.connection.queue, (reason) => {
      sink.write(packetFrames(conversation.endText(reason)));
      namespaceSession.connection.queue.flush();
      // Deferred, because the caller may be iterating over the sessions.
      queueMicrotask(() => end(socket, namespaceSession, reason));
    });
    const encoding = socketIoEncoding(conversation.encoding);
    const frames = offer && this.#createOffsets(vhost, offer, { conversation, findConnection: () => connection });
    const session = new Session({ id, vhost, encoding, sink, outbox, frames });
    const connection: SocketIoConnection = new SocketIoConnection(
      { session, ...admission.describeClient(admissionRequest, admitted) },
      namespaceSession,
      conversation,
      this.#context,
    );
    return connection;
  }

  #createOffsets(vhost: string, { earlier, key }: RecoveryOffer, { conversation, findConnection }: OffsetSource) {
    const { brokers } = this.#options.commandContext;
    return new SessionOffsets({
      positions: earlier?.state.positions ?? new Map(),
      grouped: earlier?.state.grouped ?? new Set(),
      tag: key.createTagger(() => findConnection().identity),
      isRecoverable: ({ broker }) => brokers.resolve(vhost, "").name === broker,
      offsetFrame: (offset) => packetFrames(conversation.offsetText(offset)),
      onOutdated: () => {
        // Deferred, because an answer that follows in this turn is sent after the offset.
        queueMicrotask(() => findConnection().sendOffset());
      },
    });
  }

  #attach(socket: Socket, connection: SocketIoConnection): void {
    const onEvent: ClientEvent = (text, acknowledge, attachments) => {
      connection.receive({ text, acknowledge, attachments });
    };
    socket.on(CLIENT_EVENT, onEvent);
    socket.on("disconnect", (reason) => {
      this.#left(connection, reason);
    });
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
  const isAdvised = typeof reason !== "string" && reason.retry !== undefined;
  const reconnects = isAdvised || RECONNECT_REASONS.has(reason) || isRecoveredElsewhere(reason);
  if (!reconnects) socket.disconnect();
  if (reconnects || !connection.connected) connection.close();
}
