import fs from "node:fs";
import { Socket } from "node:net";
import { cleanUp } from "../clean-up.js";

const HANDLE = "_handle";

type Write = (this: Socket, ...rest: never[]) => void;

/** Returns the number of writes to the peer at a port: of streams, and of system calls without a stream. */
export type WriteCounts = (peerPort: number) => { readonly streamed: number; readonly direct: number };

/**
 * Counts the writes of this process to the system, by the port of the peer. Node's streams call `_write` or `_writev`
 * once for each write, even of many corked chunks. Receivers cannot count writes, because the system joins them.
 */
export function countWrites(): WriteCounts {
  const streamed = new Map<number, number>();
  const direct = new Map<number, number>();
  const prototype = Socket.prototype as unknown as Record<"_write" | "_writev", Write>;
  for (const name of ["_write", "_writev"] as const) {
    const original = prototype[name];
    prototype[name] = function countStreamed(this: Socket, ...rest: never[]): void {
      increment(streamed, this.remotePort);
      original.apply(this, rest);
    };
    cleanUp(() => {
      prototype[name] = original;
    });
  }
  watchWriteSync((descriptor) => increment(direct, findSocket(descriptor)?.remotePort));
  return (peerPort) => ({ streamed: streamed.get(peerPort) ?? 0, direct: direct.get(peerPort) ?? 0 });
}

/**
 * Calls `onWrite` before each synchronous write to a descriptor, and `onFailed` with the code of its failure. Returns a
 * function that stops this; the end of the test stops it, too.
 */
export function watchWriteSync(onWrite: (descriptor: number) => void, onFailed?: (code: string) => void): () => void {
  const { writeSync } = fs;
  const watched = (...call: Parameters<typeof writeSync>): number => {
    onWrite(call[0]);
    try {
      return writeSync(...call);
    } catch (error) {
      onFailed?.((error as NodeJS.ErrnoException).code ?? "");
      throw error;
    }
  };
  Object.assign(fs, { writeSync: watched });
  const stop = (): void => {
    Object.assign(fs, { writeSync });
  };
  cleanUp(stop);
  return stop;
}

function increment(counts: Map<number, number>, port = -1): void {
  counts.set(port, (counts.get(port) ?? 0) + 1);
}

/** Node keeps the descriptors of its sockets, and the list of open ones, to itself. */
function findSocket(descriptor: number): Socket | undefined {
  const { _getActiveHandles: list } = process as unknown as { readonly _getActiveHandles: () => readonly unknown[] };
  const sockets = list().filter((handle) => handle instanceof Socket);
  return sockets.find((socket) => (socket as unknown as { [HANDLE]?: { fd?: number } })[HANDLE]?.fd === descriptor);
}
