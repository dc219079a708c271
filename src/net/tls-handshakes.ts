import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { ignore } from "../util/ignore.js";
import { rememberCertificate } from "./certificate-subject.js";
import type { Certificates } from "./certificates.js";
import { setPeerAddress } from "./peer-address.js";
import type { ProxiedPeer } from "./proxy-header.js";

/**
 * Whether clients are asked for certificates. `optional`: one without may come, one with a certificate that cannot be
 * verified may not.
 */
export type ClientCertificates = "none" | "optional" | "required";

export interface TlsHandshakesOptions {
  readonly certificates: Certificates;
  readonly clients: ClientCertificates;
  readonly alpn: string;
  /** Milliseconds that a handshake may take. */
  readonly timeout: number;
  /** @param handshake - the connection that the TLS connection was made of */
  readonly onSecure: (socket: TLSSocket, handshake: Socket) => void;
}

/** A connection that is not secure yet. */
interface Handshake {
  readonly socket: Socket;
  /** Where its proxy says that it comes from. */
  readonly peer: ProxiedPeer | undefined;
}

/** Makes TLS connections of TCP ones. */
export class TlsHandshakes {
  readonly #options: TlsHandshakesOptions;
  readonly #server: Server;
  /** By the two ends of the connection: the library gives a new socket, and does not say what it was made of. */
  readonly #pending = new Map<string, Handshake>();
  #release: (() => void) | undefined;

  constructor(options: TlsHandshakesOptions) {
    this.#options = options;
    // It never listens: its connections are brought to it.
    this.#server = createServer({
      ALPNProtocols: [options.alpn],
      handshakeTimeout: options.timeout,
      requestCert: options.clients !== "none",
      rejectUnauthorized: options.clients === "required",
    });
    this.#server.on("secureConnection", (socket) => {
      this.#secured(socket);
    });
    // Where the time is up, the library leaves the socket to us.
    this.#server.on("tlsClientError", (_error, socket) => {
      socket.destroy();
    });
  }

  /** Uses the certificates, and the ones that come after them. */
  start(): void {
    const { certificates, clients } = this.#options;
    this.#release ??= certificates.use(({ ca, ...context }) => {
      this.#server.setSecureContext(clients === "none" || ca === undefined ? context : { ...context, ca });
    });
  }

  /** Ends those that are under way. */
  stop(): void {
    this.#release?.();
    for (const { socket } of this.#pending.values()) socket.destroy();
  }

  /** @param peer - the peer to be told, where a proxy has named one */
  begin(socket: Socket, peer: ProxiedPeer | undefined): void {
    const ends = endsOf(socket);
    this.#pending.set(ends, { socket, peer });
    socket.once("close", () => {
      this.#pending.delete(ends);
    });
    this.#server.emit("connection", socket);
  }

  #secured(socket: TLSSocket): void {
    const ends = endsOf(socket);
    const handshake = this.#pending.get(ends);
    this.#pending.delete(ends);
    // The close event follows.
    socket.on("error", ignore);
    if (handshake === undefined || !this.#acceptable(socket)) {
      socket.destroy();
      return;
    }
    if (handshake.peer !== undefined) setPeerAddress(socket, handshake.peer);
    this.#options.onSecure(socket, handshake.socket);
  }

  /** Left to the library, a client whose certificate cannot be verified would be taken for one without. */
  #acceptable(socket: TLSSocket): boolean {
    if (this.#options.clients === "none") return true;
    if (!socket.authorized) return socket.getPeerX509Certificate() === undefined;
    rememberCertificate(socket);
    return true;
  }
}

/** No two connections have the same at one time. */
function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
