import type { Socket } from "node:net";

/**
 * Peeks at the first bytes of a connection, which stay in the socket.
 * @param timeout - maximum wait for the first bytes, in milliseconds
 * @param done - called once: with the bytes, or with undefined when the connection must be closed
 */
export function peekFirstBytes(socket: Socket, timeout: number, done: (bytes: Buffer | undefined) => void): void {
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
