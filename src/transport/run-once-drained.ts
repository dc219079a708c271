import type { Duplex } from "node:stream";

const EMPTY = new Uint8Array(0);

/** Calls `run` once, later, when a socket has accepted everything. Never calls it when the socket is closed or fails first. */
export function runOnceDrained(socket: Duplex, run: () => void): void {
  if (socket.writableNeedDrain) {
    socket.once("drain", run);
  } else if (socket.writable) {
    // Below its high-water mark the stream emits no drain event. The callback of an empty write replaces it.
    socket.write(EMPTY, (error) => {
      if (!error) run();
    });
  }
}
