import { readFileSync } from "node:fs";
import type { Socket } from "node:net";

/** Number of descriptors kept free for files, brokers and backends. */
const RESERVE = 16;

export interface FileLimitOptions {
  /** Maximum number of open files of the process. */
  readonly max: number;
  /** Called for each closed connection with the error code, as in errno(3). */
  readonly onRefused: (code: string) => void;
}

/**
 * Keeps connections from exhausting the process's file descriptors. Without it, libuv silently closes connections that it
 * cannot accept, and files cannot be opened either. The system assigns the lowest free descriptor, so a high descriptor
 * means that few are left.
 */
export class FileLimit {
  readonly #options: FileLimitOptions;

  constructor(options: FileLimitOptions) {
    this.#options = options;
  }

  /** @returns false when the connection must be closed */
  admits(socket: Socket): boolean {
    if (getDescriptor(socket) < this.#options.max - RESERVE) return true;
    this.#options.onRefused("EMFILE");
    return false;
  }

  /** Reports that the system failed to accept a connection. */
  failed({ code = "" }: NodeJS.ErrnoException): void {
    this.#options.onRefused(code);
  }
}

/** Returns the soft limit of open files; Infinity when it is unknown or unlimited. */
export function readFileLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Returns the file descriptor of the socket's undocumented handle; -1 without one, as on Windows. */
function getDescriptor(socket: Socket): number {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: unknown } | null };
  return typeof handle?.fd === "number" ? handle.fd : -1;
}
