import type { Duplex } from "node:stream";
import { normalizeIpAddress, toAddressKey } from "./ip-address.js";
import type { Networks } from "./networks.js";

export interface PendingConnectionsOptions {
  /** Maximum number of pending connections of all ports. */
  readonly limit: number;
  /** Trusted proxies. Their addresses have no share, because each represents many clients. */
  readonly proxies?: Networks | undefined;
  /** Called for each refused connection. */
  readonly onRefused?: () => void;
}

/**
 * Bounds the connections of all ports that have not sent their first request: a PROXY header, a TLS handshake, the head of
 * an HTTP request, an HTTP/2 preface or a frame is missing. An address (an IPv6 network of 64 bits) may have no more of
 * them than are still free, as in {@link ByteBudget}. A single address gets half of the limit.
 */
export class PendingConnections {
  readonly #options: PendingConnectionsOptions;
  /** Address keys by connection; undefined for connections of trusted proxies. */
  readonly #sockets = new Map<Duplex, string | undefined>();
  readonly #counts = new Map<string, number>();
  /** Close handler shared by all connections; it is called with the socket as `this`. */
  readonly #onClose: (this: Duplex) => void;

  constructor(options: PendingConnectionsOptions) {
    this.#options = options;
    const settle = this.settle.bind(this);
    this.#onClose = function onClose() {
      settle(this);
    };
  }

  /** Number of pending connections. */
  get size(): number {
    return this.#sockets.size;
  }

  /**
   * Counts a connection as pending until it is settled or closed.
   * @param address - of the peer; undefined for a Unix socket
   * @returns false, and nothing is counted, when there are too many
   */
  add(socket: Duplex, address: string | undefined): boolean {
    const { limit, onRefused, proxies } = this.#options;
    const key = proxies?.includes(address) === true ? undefined : toAddressKey(normalizeIpAddress(address ?? "") ?? "");
    const free = limit - this.#sockets.size - 1;
    const count = key === undefined ? 0 : (this.#counts.get(key) ?? 0) + 1;
    if (count > free || free < 0) {
      onRefused?.();
      return false;
    }
    this.#sockets.set(socket, key);
    if (key !== undefined) this.#counts.set(key, count);
    socket.once("close", this.#onClose);
    return true;
  }

  /**
   * Moves a connection to the address that its proxy reported.
   * @returns false when that address has too many, like {@link add}
   */
  readdress(socket: Duplex, address: string): boolean {
    this.settle(socket);
    return this.add(socket, address);
  }

  /** Replaces a TCP connection with the TLS connection made from it. */
  replace(socket: Duplex, by: Duplex): void {
    if (!this.#sockets.has(socket)) return;
    this.#sockets.set(by, this.#sockets.get(socket));
    by.once("close", this.#onClose);
    this.#sockets.delete(socket);
    socket.off("close", this.#onClose);
  }

  /** Stops counting a connection because its first request has arrived. Further calls do nothing. */
  settle(socket: Duplex): void {
    if (!this.#sockets.has(socket)) return;
    const key = this.#sockets.get(socket);
    this.#sockets.delete(socket);
    socket.off("close", this.#onClose);
    if (key === undefined) return;
    const count = (this.#counts.get(key) ?? 0) - 1;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }
}
