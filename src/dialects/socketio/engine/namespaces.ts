import type { Socket as EngineSocket } from "engine.io";
import type { Server, Socket } from "socket.io";
import type { AdmissionRequest, AdmittedClient } from "../../../clients/admission.js";
import { openClient } from "../../../commands/on-behalf.js";
import type { OutboxContext } from "../../../core/outbox.js";
import { Session } from "../../../core/session.js";
import { CarillonError, type ChosenClose, type CloseReason, WEBSOCKET_CLOSE } from "../../../errors.js";
import { PendingDecision } from "../../../transport/admission/pending-decision.js";
import type { WebSocketListenerOptions } from "../../../transport/websocket/websocket-listener.js";
import { withResolvers } from "../../../util/with-resolvers.js";
import { SocketIoDialect } from "../dialect.js";
import type { SocketIoSettings } from "../settings.js";
import { ConnectError, toArrival } from "./arrival.js";
import { SocketIoConnection, type SocketIoContext } from "./connection.js";
import type { EngineConnection } from "./engine-connection.js";
import { packetFrames, socketIoEncoding } from "./frames.js";
import { NamespaceSession } from "./namespace-session.js";
import { CLIENT_EVENT, type ClientEvent } from "./parser.js";
import { SocketIoSink } from "./sink.js";

/** Most bytes that Node reads at once, which may arrive after a connection has been paused. */
const READ_CHUNK_BYTES = 65_536;

/** Reasons to reconnect. Stock clients do so after a lost connection, and not after a packet that disconnects them. */
const COME_BACK: ReadonlySet<CloseReason | ChosenClose> = new Set<CloseReason>([
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
    "services" | "fanOut" | "admission" | "clock" | "onFault" | "sessionIds" | "onClosed"
  > {
  readonly outbox: OutboxContext;
  readonly exists: (vhost: string) => boolean;
  readonly settingsOf: (vhost: string) => SocketIoSettings;
  readonly frameBytes: number;
  /** Consecutive packets without an event that end a connection. */
  readonly malformedFrames: number;
  readonly lineOf: (connection: EngineSocket) => EngineConnection | undefined;
  /** @throws CarillonError unavailable */
  readonly checkRoom: () => void;
  /** Told when a connection has no namespace any more. */
  readonly onEmpty: (line: EngineConnection) => void;
}

type Next = (error?: Error) => void;

/** Serves each vhost as a namespace. Clients that are connected to one become sessions. */
export class Namespaces {
  readonly #options: NamespacesOptions;
  readonly #dialect = new SocketIoDialect();
  readonly #context: SocketIoContext;

  constructor(server: Server, options: NamespacesOptions) {
    this.#options = options;
    const { fanOut, frameBytes, malformedFrames, services } = options;
    this.#context = { services, fanOut, malformedFrames, waitingBytes: frameBytes + READ_CHUNK_BYTES };
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
    const line = this.#options.lineOf(socket.conn);
    let place: NamespaceSession | undefined;
    try {
      place = this.#placeFor(socket, line);
      place.admit(await this.#decide(place.arrival));
      this.#checkThere(place);
      next();
    } catch (cause) {
      if (!(cause instanceof CarillonError)) this.#options.onFault(cause);
      if (place === undefined) line?.refused(socket.nsp.name);
      else place.leave();
      if (place?.line.places.size === 0) this.#options.onEmpty(place.line);
      next(new ConnectError(CarillonError.from(cause), socket.conn.protocol));
    }
  }

  /** @throws CarillonError */
  #placeFor(socket: Socket, line: EngineConnection | undefined): NamespaceSession {
    const { admission, checkRoom, sessionIds } = this.#options;
    if (line === undefined) throw new CarillonError("unavailable", "the connection has ended");
    const vhost = socket.nsp.name;
    checkRoom();
    const arrival = toArrival({
      vhost,
      dialect: this.#dialect.name,
      connectionId: sessionIds.next(),
      address: line.address,
      request: socket.request,
      auth: socket.handshake.auth,
      places: admission.credentialSources(vhost),
      forward: admission.forwardedParts(vhost),
    });
    const place = new NamespaceSession(line, arrival);
    rename(socket, arrival.connectionId);
    return place;
  }

  /** @throws CarillonError the refusal, or unavailable where it takes too long */
  #decide(arrival: AdmissionRequest): Promise<AdmittedClient> {
    const { admission, clock } = this.#options;
    const { promise, reject, resolve } = withResolvers<AdmittedClient>();
    const decide = async (): Promise<AdmittedClient> => admission.admit(arrival);
    new PendingDecision(decide(), clock, { onAdmitted: resolve, onRefused: reject });
    return promise;
  }

  /** Checks that the vhost was not deleted during the decision. */
  #checkThere({ arrival: { vhost } }: NamespaceSession): void {
    if (!this.#options.exists(vhost)) throw new CarillonError("not_found", `there is no vhost ${vhost}`);
  }

  /** Makes a session of a client that the library has connected. */
  #enter(socket: Socket): void {
    const place = this.#options.lineOf(socket.conn)?.places.get(socket.nsp.name);
    const admitted = place?.take();
    if (place === undefined || admitted === undefined) {
      socket.disconnect();
      return;
    }
    try {
      const connection = this.#connect(socket, place, admitted);
      openClient(connection.client, admitted, this.#options.services);
    } catch (cause) {
      // The vhost may have been deleted in this very moment.
      if (!(cause instanceof CarillonError)) this.#options.onFault(cause);
      admitted.release();
      place.leave();
      socket.disconnect();
    }
  }

  #connect(socket: Socket, place: NamespaceSession, admitted: AdmittedClient): SocketIoConnection {
    const { admission, outbox, settingsOf } = this.#options;
    const { arrival } = place;
    const { connectionId: id, vhost } = arrival;
    const elevated = arrival.credential !== undefined || admitted.principal.user !== undefined;
    const conversation = this.#dialect.open({
      query: arrival.upgrade.query,
      connectionId: id,
      namespace: vhost,
      settings: () => settingsOf(vhost),
      elevated,
    });
    const sink: SocketIoSink = new SocketIoSink(socket.conn, place.line.queue, (reason) => {
      sink.write(packetFrames(conversation.endText(reason)));
      place.line.queue.flush();
      // Whoever ends many goes through them just now.
      queueMicrotask(() => end(socket, place, reason));
    });
    const encoding = socketIoEncoding(conversation.encoding);
    const session = new Session({ id, vhost, encoding, sink, outbox });
    const connection = new SocketIoConnection(
      { session, ...admission.describeClient(arrival, admitted) },
      place,
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
    const { place } = connection;
    const { cutFor } = place.line;
    const code = connection.closed(...(cutFor === undefined ? (CODES[reason] ?? LOST) : WEBSOCKET_CLOSE[cutFor]));
    place.leave();
    this.#options.onClosed(code);
    if (place.line.places.size === 0) this.#options.onEmpty(place.line);
  }
}

/** Ends a socket after what has been written; and its connection, where nobody else is on it. */
function end(socket: Socket, { line }: NamespaceSession, reason: CloseReason | ChosenClose): void {
  const comesBack = COME_BACK.has(reason);
  if (!comesBack) socket.disconnect();
  if (comesBack || !line.inside) line.close();
}

/**
 * A socket's id is its session's, so that backends can name it. The library has it among those that arrive, and looks for it
 * there by the id that it has when it has arrived.
 */
function rename(socket: Socket, id: string): void {
  const sockets = arriving(socket);
  sockets.delete(socket.id);
  Object.assign(socket, { id });
  sockets.set(id, socket);
}

/** The sockets of a namespace that have not been let in yet, which the library keeps to itself. */
function arriving({ nsp }: Socket): Map<string, Socket> {
  return (nsp as unknown as Readonly<Record<typeof ARRIVING, Map<string, Socket>>>)[ARRIVING];
}

const ARRIVING = "_preConnectSockets";
