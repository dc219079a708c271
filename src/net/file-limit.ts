import { readFileSync } from "node:fs";
import type { Socket } from "node:net";

/** Descriptors kept free for files, brokers and backends: connections beyond are cut. */
const RESERVE = 16;

export interface FileLimitOptions {
  /** Most open files of the process. */
  readonly most: number;
  /** Told the code of the error that a connection was cut for, as in errno(3). */
  readonly onRefused: (code: string) => void;
}

/**
 * Keeps connections from using up the process's file descriptors. Left alone, libuv closes what it cannot accept without a
 * word, and nothing else can be opened either. The system gives each connection the lowest free descriptor, so that a high one
 * tells that few are left.
 */
export class FileLimit {
  readonly #options: FileLimitOptions;

  constructor(options: FileLimitOptions) {
    this.#options = options;
  }

  /** @returns false for a connection to be cut */
  admits(socket: Socket): boolean {
    if (descriptorOf(socket) < this.#options.most - RESERVE) return true;
    this.#options.onRefused("EMFILE");
    return false;
  }

  /** The system itself has refused to accept a connection. */
  failed({ code = "" }: NodeJS.ErrnoException): void {
    this.#options.onRefused(code);
  }
}

/** @returns the soft limit of open files; Infinity where the system does not tell, or has none */
export function readFileLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** File descriptor of the socket's handle, which Node does not document; -1 where it has none, as on Windows. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: unknown } | null };
  return typeof handle?.fd === "number" ? handle.fd : -1;
}
