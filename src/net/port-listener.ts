import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Address } from "../util/address.js";
import { ignore } from "../util/ignore.js";
import type { Certificates } from "./certificates.js";
import type { FileLimit } from "./file-limit.js";
import { peekFirstBytes } from "./first-bytes.js";
import type { Networks } from "./networks.js";
import { setPeerAddress } from "./peer-address.js";
import type { PendingConnections } from "./pending-connections.js";
import { type ProxiedPeer, readProxyHeader } from "./proxy-header.js";
import { type ClientCertificates, TlsHandshakes } from "./tls-handshakes.js";

/** Connections that the system keeps until they are accepted. After a restart all clients come at once. */
const BACKLOG = 4_096;
/** How long a PROXY header, after it a TLS handshake, and after that the first bytes may take, in milliseconds. */
const HANDSHAKE_TIMEOUT = 10_000;

/** How a port is reached. */
export interface PortOptions {
  readonly address: Address;
  readonly tls?: { readonly certificates: Certificates; readonly clients: ClientCertificates } | undefined;
  /** Cuts connections while too few file descriptors are left. */
  readonly files?: FileLimit | undefined;
  /** Bounds the connections that have not sent their first request; undefined: they are not bounded. */
  readonly pending?: PendingConnections | undefined;
  /** Networks whose connections begin with a PROXY header (version 2). No other's are looked at for one. */
  readonly proxies?: Networks | undefined;
  /**
   * Milliseconds that a PROXY header, after it a TLS handshake, and after that the first bytes may take; 10 s unless said
   * otherwise.
   */
  readonly handshakeTimeout?: number;
}

export interface PortListenerOptions extends PortOptions {
  /** What is spoken within TLS. */
  readonly alpn: "http/1.1" | "h2";
  /** Whether a peer may end its side and still be answered. Not with TLS. */
  readonly allowHalfOpen?: boolean;
  /** Whether a peer that says nothing for so long is cut off. HTTP/1.1 has times of its own for that. */
  readonly speaksFirst?: boolean;
  /** Told the first bytes of each connection, before TLS reads them. Where it is set, a silent peer is cut off before TLS. */
  readonly onFirstBytes?: ((bytes: Buffer) => void) | undefined;
  /** Takes connections that are ready to be spoken on, TLS or not; nothing has been read that is not in the socket. */
  readonly onConnection: (socket: Socket) => void;
}

/** What is below HTTP on a port: it accepts connections, reads what a proxy tells of them, and does TLS. */
export class PortListener {
  readonly #options: PortListenerOptions;
  readonly #server: Server;
  readonly #handshakes: TlsHandshakes | undefined;
  /** Connections whose PROXY header or first bytes have not come yet. */
  readonly #unread = new Set<Socket>();

  constructor(options: PortListenerOptions) {
    const { allowHalfOpen = false, alpn, handshakeTimeout: timeout = HANDSHAKE_TIMEOUT, tls } = options;
    this.#options = options;
    this.#server = createServer({ noDelay: true, allowHalfOpen: allowHalfOpen && tls === undefined }, (socket) => {
      this.#accept(socket);
    });
    this.#handshakes =
      tls &&
      new TlsHandshakes({
        ...tls,
        alpn,
        timeout,
        onSecure: (socket, handshake) => {
          options.pending?.replace(handshake, socket);
          this.#handOver(socket);
        },
      });
  }

  /**
   * Certificates must have been started.
   * @returns where it listens: the real port where 0 was asked for
   * @throws Error of node:net, such as EADDRINUSE
   */
  async listen(): Promise<Address> {
    const { host, port } = this.#options.address;
    this.#handshakes?.start();
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port, backlog: BACKLOG }, () => {
        this.#server.off("error", reject);
        // One connection is refused; the others go on.
        this.#server.on("error", (error) => {
          this.#options.files?.failed(error);
        });
        resolve();
      });
    });
    return { host, port: (this.#server.address() as AddressInfo).port };
  }

  /** Accepts nothing more and ends half-made handshakes. Resolves when the connections are gone. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#unread) socket.destroy();
      this.#handshakes?.stop();
    });
  }

  /** The same at once: whoever took the connections cuts them. */
  terminate(): void {
    void this.close();
  }

  /** Tells that a connection's first request has come: it is pending no more. */
  settle(socket: Duplex): void {
    this.#options.pending?.settle(socket);
  }

  #accept(socket: Socket): void {
    const { files, handshakeTimeout = HANDSHAKE_TIMEOUT, pending, proxies } = this.#options;
    if (files?.admits(socket) === false || pending?.add(socket, socket.remoteAddress) === false) {
      socket.on("error", ignore).destroy();
      return;
    }
    if (proxies === undefined || !proxies.includes(socket.remoteAddress)) {
      this.#inspect(socket);
      return;
    }
    this.#unread.add(socket);
    readProxyHeader(socket, handshakeTimeout, (peer) => {
      this.#unread.delete(socket);
      const refused = typeof peer === "object" && pending?.readdress(socket, peer.address) === false;
      if (peer === undefined || refused) {
        socket.on("error", ignore).destroy();
      } else {
        this.#inspect(socket, peer === "local" ? undefined : peer);
      }
    });
  }

  #inspect(socket: Socket, peer?: ProxiedPeer): void {
    const { handshakeTimeout = HANDSHAKE_TIMEOUT, onFirstBytes } = this.#options;
    if (onFirstBytes === undefined) {
      this.#secure(socket, peer);
      return;
    }
    this.#unread.add(socket);
    peekFirstBytes(socket, handshakeTimeout, (bytes) => {
      this.#unread.delete(socket);
      if (bytes === undefined) {
        socket.on("error", ignore).destroy();
        return;
      }
      onFirstBytes(bytes);
      this.#secure(socket, peer);
    });
  }

  #secure(socket: Socket, peer?: ProxiedPeer): void {
    if (this.#handshakes !== undefined) {
      this.#handshakes.begin(socket, peer);
      return;
    }
    if (peer !== undefined) setPeerAddress(socket, peer);
    this.#handOver(socket);
  }

  #handOver(socket: Socket): void {
    const { handshakeTimeout = HANDSHAKE_TIMEOUT, onConnection, speaksFirst = false } = this.#options;
    if (speaksFirst) expectBytes(socket, handshakeTimeout);
    onConnection(socket);
  }
}

/** Cuts a connection on which nothing has come in so many milliseconds. Counted, as whoever has it reads from below it. */
function expectBytes(socket: Socket, timeout: number): void {
  const before = socket.bytesRead - socket.readableLength;
  const timer = setTimeout(() => {
    if (socket.bytesRead === before) socket.destroy();
  }, timeout).unref();
  socket.once("close", () => {
    clearTimeout(timer);
  });
}
