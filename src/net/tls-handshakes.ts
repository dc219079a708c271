import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { ignore } from "../util/ignore.js";
import { rememberCertificate } from "./certificate-subject.js";
import type { Certificates } from "./certificates.js";
import { setPeerAddress } from "./peer-address.js";
import type { ProxiedPeer } from "./proxy-header.js";

/**
 * Whether clients must have certificates. `optional` allows clients without one, and rejects clients with an invalid one.
 */
export type ClientCertificates = "none" | "optional" | "required";

export interface TlsHandshakesOptions {
  readonly certificates: Certificates;
  readonly clients: ClientCertificates;
  readonly alpn: string;
  /** Maximum duration of a handshake, in milliseconds. */
  readonly timeout: number;
  /** @param handshake - the TCP connection below the TLS connection */
  readonly onSecure: (socket: TLSSocket, handshake: Socket) => void;
}

/** A connection whose TLS handshake is in progress. */
interface Handshake {
  readonly socket: Socket;
  /** Peer that the connection's proxy reported. */
  readonly peer: ProxiedPeer | undefined;
}

/** Upgrades TCP connections to TLS. */
export class TlsHandshakes {
  readonly #options: TlsHandshakesOptions;
  readonly #server: Server;
  /** Handshakes by the addresses of both ends, because the library's TLS socket has no reference to the TCP socket. */
  readonly #pending = new Map<string, Handshake>();
  #release: (() => void) | undefined;

  constructor(options: TlsHandshakesOptions) {
    this.#options = options;
    // The server does not listen; connections are passed to it.
    this.#server = createServer({
      ALPNProtocols: [options.alpn],
      handshakeTimeout: options.timeout,
      requestCert: options.clients !== "none",
      rejectUnauthorized: options.clients === "required",
    });
    this.#server.on("secureConnection", (socket) => {
      this.#onSecureConnection(socket);
    });
    // The library does not close the socket after a timeout.
    this.#server.on("tlsClientError", (_error, socket) => {
      socket.destroy();
    });
  }

  /** Applies the certificates now and after each reload. */
  start(): void {
    const { certificates, clients } = this.#options;
    this.#release ??= certificates.use(({ ca, ...context }) => {
      this.#server.setSecureContext(clients === "none" || ca === undefined ? context : { ...context, ca });
    });
  }

  /** Ends the handshakes in progress. */
  stop(): void {
    this.#release?.();
    for (const { socket } of this.#pending.values()) socket.destroy();
  }

  /** @param peer - the peer that a proxy reported, if any */
  begin(socket: Socket, peer: ProxiedPeer | undefined): void {
    const ends = formatEnds(socket);
    this.#pending.set(ends, { socket, peer });
    socket.once("close", () => {
      this.#pending.delete(ends);
    });
    this.#server.emit("connection", socket);
  }

  #onSecureConnection(socket: TLSSocket): void {
    const ends = formatEnds(socket);
    const handshake = this.#pending.get(ends);
    this.#pending.delete(ends);
    // The close event follows an error.
    socket.on("error", ignore);
    if (handshake === undefined || !this.#isAcceptable(socket)) {
      socket.destroy();
      return;
    }
    if (handshake.peer !== undefined) setPeerAddress(socket, handshake.peer);
    this.#options.onSecure(socket, handshake.socket);
  }

  /** Rejects a client with an invalid certificate, which the library would treat as a client without one. */
  #isAcceptable(socket: TLSSocket): boolean {
    if (this.#options.clients === "none") return true;
    if (!socket.authorized) return socket.getPeerX509Certificate() === undefined;
    rememberCertificate(socket);
    return true;
  }
}

/** Formats both ends of a connection, which identify it uniquely. */
function formatEnds({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
