import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { CarillonError } from "../errors.js";
import { type Address, formatAddress } from "../util/address.js";
import { ignore } from "../util/ignore.js";
import { errorText } from "../util/native-error.js";
import type { Certificates } from "./certificates.js";
import type { FileLimit } from "./file-limit.js";
import type { Networks } from "./networks.js";
import { setPeerAddress } from "./peer-address.js";
import type { PendingConnections } from "./pending-connections.js";
import { type ProxiedPeer, readProxyHeader } from "./proxy-header.js";
import { type ClientCertificates, TlsHandshakes } from "./tls-handshakes.js";

/** Size of the system's queue of connections that wait to be accepted. After a restart all clients reconnect at once. */
const BACKLOG = 4_096;
/** Timeout of the PROXY header, of the TLS handshake and of the first bytes, each in milliseconds. */
export const HANDSHAKE_TIMEOUT = 10_000;

/** Settings of a port. */
export interface PortOptions {
  readonly address: Address;
  readonly tls?: { readonly certificates: Certificates; readonly clients: ClientCertificates } | undefined;
  /** Closes new connections while too few file descriptors are left. */
  readonly files?: FileLimit | undefined;
  /** Bounds the connections that have not sent their first request; undefined: unbounded. */
  readonly pending?: PendingConnections | undefined;
  /** Networks whose connections begin with a PROXY header (version 2). Headers from other networks are not read. */
  readonly proxies?: Networks | undefined;
  /** Timeout of the PROXY header, of the TLS handshake and of the first bytes, each in milliseconds. Default: 10 s. */
  readonly handshakeTimeout?: number;
}

export interface PortListenerOptions extends PortOptions {
  /** Protocol negotiated within TLS. */
  readonly alpn: "http/1.1" | "h2";
  /** Whether a peer that has ended its side still gets answers. Not supported with TLS. */
  readonly allowHalfOpen?: boolean;
  /** Whether a silent peer is disconnected after `handshakeTimeout`. HTTP/1.1 has its own timeouts. */
  readonly speaksFirst?: boolean;
  /** Called with the first bytes of each connection, before TLS reads them. Also disconnects silent peers before TLS. */
  readonly onFirstBytes?: ((bytes: Buffer) => void) | undefined;
  /** Called with each connection, after TLS if any. All bytes for the protocol are still in the socket. */
  readonly onConnection: (socket: Socket) => void;
}

/** Transport layer of a port: accepts connections, reads PROXY headers and does TLS. */
export class PortListener {
  readonly #options: PortListenerOptions;
  readonly #server: Server;
  readonly #handshakes: TlsHandshakes | undefined;
  /** Connections that wait for their PROXY header or first bytes. */
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
   * Starts to listen. Certificates must have been started.
   * @returns the address, with the actual port when port 0 was requested
   * @throws Error of node:net, such as EADDRINUSE
   */
  async listen(): Promise<Address> {
    const { host, port } = this.#options.address;
    this.#handshakes?.start();
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port, backlog: BACKLOG }, () => {
        this.#server.off("error", reject);
        // The error affects one connection only.
        this.#server.on("error", (error) => {
          this.#options.files?.failed(error);
        });
        resolve();
      });
    });
    return { host, port: (this.#server.address() as AddressInfo).port };
  }

  /** Stops accepting and ends handshakes in progress. Resolves when all connections have ended. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#unread) socket.destroy();
      this.#handshakes?.stop();
    });
  }

  /** Stops accepting immediately. The owners of the connections close them. */
  terminate(): void {
    void this.close();
  }

  /** Marks a connection as no longer pending, because its first request has arrived. */
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

/**
 * Closes a connection that receives nothing within the timeout, in milliseconds. Compares byte counts instead of
 * listening for data, because HTTP/2 reads from the socket's handle.
 */
function expectBytes(socket: Socket, timeout: number): void {
  const before = socket.bytesRead - socket.readableLength;
  const timer = setTimeout(() => {
    if (socket.bytesRead === before) socket.destroy();
  }, timeout).unref();
  socket.once("close", () => {
    clearTimeout(timer);
  });
}

/**
 * Peeks at the first bytes of a connection, which stay in the socket.
 * @param timeout - maximum wait for the first bytes, in milliseconds
 * @param done - called once: with the bytes, or with undefined when the connection must be closed
 */
function peekFirstBytes(socket: Socket, timeout: number, done: (bytes: Buffer | undefined) => void): void {
  const onReadable = (): void => {
    const bytes = socket.read() as Buffer | null;
    if (bytes === null) return;
    socket.unshift(bytes);
    end(bytes);
  };
  const fail = (): void => end(undefined);
  const end = (bytes: Buffer | undefined): void => {
    clearTimeout(timer);
    socket.off("readable", onReadable).off("end", fail).off("error", fail).off("close", fail);
    done(bytes);
  };
  const timer = setTimeout(fail, timeout).unref();
  socket.on("readable", onReadable).on("end", fail).on("error", fail).on("close", fail);
}

/**
 * Starts to listen on a configured address.
 * @param setting - name of the setting, for the error
 * @param address - undefined when the listener is disabled
 * @returns the address with the actual port, as HOST:PORT; undefined when the listener is disabled
 * @throws CarillonError failed_precondition when the address is unavailable
 */
export async function listenAt(
  setting: string,
  address: Address | undefined,
  listener: { listen(): Promise<Address> } | undefined,
): Promise<string | undefined> {
  if (address === undefined || listener === undefined) return undefined;
  try {
    return formatAddress(await listener.listen());
  } catch (cause) {
    throw listenFailure(setting, formatAddress(address), cause);
  }
}

/** Creates the error for an address that is unavailable. */
export function listenFailure(setting: string, address: string, cause: unknown): CarillonError {
  const text = `cannot listen on ${setting} address ${address}: ${errorText(cause)}`;
  return new CarillonError("failed_precondition", text, { cause });
}
