import type { Socket } from "node:net";

/**
 * Looks at the first bytes of a connection, which stay in the socket.
 * @param timeout - milliseconds until something must have come
 * @param done - called once: with what has come, or undefined when the connection is to be closed
 */
export function peekFirstBytes(socket: Socket, timeout: number, done: (bytes: Buffer | undefined) => void): void {
  const look = (): void => {
    const bytes = socket.read() as Buffer | null;
    if (bytes === null) return;
    socket.unshift(bytes);
    end(bytes);
  };
  const fail = (): void => end(undefined);
  const end = (bytes: Buffer | undefined): void => {
    clearTimeout(timer);
    socket.off("readable", look).off("end", fail).off("error", fail).off("close", fail);
    done(bytes);
  };
  const timer = setTimeout(fail, timeout).unref();
  socket.on("readable", look).on("end", fail).on("error", fail).on("close", fail);
}
