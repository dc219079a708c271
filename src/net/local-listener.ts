import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { ignore } from "../util/ignore.js";
import { formatListenUrl, type ListenUrl } from "../util/listen-url.js";
import type { FileLimit } from "./file-limit.js";
import type { PendingConnections } from "./pending-connections.js";

/** Connections that the system keeps until they are accepted. */
const BACKLOG = 4_096;
/** The owner and the group may connect: a web server's user joins the group of the node's, or owns the folder. */
const SOCKET_MODE = 0o660;

/** Bounds of a {@link LocalListener}; an undefined one does not apply. */
export interface LocalListenerLimits {
  /** Cuts connections while too few file descriptors are left. */
  readonly files?: FileLimit | undefined;
  /** Bounds the connections that have not sent their first request. */
  readonly pending?: PendingConnections | undefined;
}

/** Listens for programs of the same machine, on a TCP port or a Unix socket, without TLS and proxies. */
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
   * The file of a Unix socket that a killed process has left is removed; one that somebody listens on is not.
   * @returns where it listens: the real port where 0 was asked for
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

  /** Accepts nothing more. Resolves when the connections are gone. The file of a Unix socket is removed. */
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
        // One connection is refused; the others go on.
        this.#server.on("error", (error) => {
          this.#files?.failed(error);
        });
        resolve();
      });
    });
  }
}

/** Whether there is the file of a socket that nobody listens on. */
async function isAbandoned(path: string): Promise<boolean> {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined || !file.isSocket()) return false;
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}
