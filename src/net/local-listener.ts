import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { ignore } from "../util/ignore.js";
import { formatListenUrl, type ListenUrl } from "../util/listen-url.js";
import { errorCode } from "../util/native-error.js";
import type { FileLimit } from "./file-limit.js";
import type { PendingConnections } from "./pending-connections.js";

/** Size of the system's queue of connections that wait to be accepted. */
const BACKLOG = 4_096;
/** Allows the owner and the group, which a web server's user can join, to connect. */
const SOCKET_MODE = 0o660;

/** Limits of a {@link LocalListener}; an undefined one does not apply. */
export interface LocalListenerLimits {
  /** Closes new connections while too few file descriptors are left. */
  readonly files?: FileLimit | undefined;
  /** Bounds the connections that have not sent their first request. */
  readonly pending?: PendingConnections | undefined;
}

/** Listens for programs on the same machine, on a TCP port or a Unix socket, without TLS or proxies. */
export class LocalListener {
  readonly #url: ListenUrl;
  readonly #server: Server;
  readonly #files: FileLimit | undefined;

  constructor(url: ListenUrl, onConnection: (socket: Socket) => void, { files, pending }: LocalListenerLimits = {}) {
    this.#url = url;
    this.#files = files;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      const admitted = files?.admits(socket) !== false && pending?.add(socket, socket.remoteAddress) !== false;
      if (!admitted) socket.on("error", ignore).destroy();
      else onConnection(socket);
    });
  }

  /**
   * Starts to listen. Removes the file of a Unix socket that a killed process has left behind.
   * @returns the URL, with the actual port when port 0 was requested
   * @throws Error of node:net, such as EADDRINUSE
   */
  async listen(): Promise<string> {
    const url = this.#url;
    if (url.kind === "tcp") {
      await this.#bind({ host: url.host, port: url.port });
      return formatListenUrl({ ...url, port: (this.#server.address() as AddressInfo).port });
    }
    if (await isAbandoned(url.path)) unlinkSync(url.path);
    await this.#bind({ path: url.path });
    chmodSync(url.path, SOCKET_MODE);
    return formatListenUrl(url);
  }

  /** Stops accepting, and removes the file of a Unix socket. Resolves when all connections have ended. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #bind(where: { readonly host: string; readonly port: number } | { readonly path: string }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ ...where, backlog: BACKLOG }, () => {
        this.#server.off("error", reject);
        // The error affects one connection only.
        this.#server.on("error", (error) => {
          this.#files?.failed(error);
        });
        resolve();
      });
    });
  }
}

/** Returns true when the path is a socket without a listening process. */
async function isAbandoned(path: string): Promise<boolean> {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined || !file.isSocket()) return false;
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error) => resolve(errorCode(error) === "ECONNREFUSED"));
  });
}
