import { writeSync } from "node:fs";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

/**
 * Writes to a connection by one system call, without its stream: no request object, callback and state machine for each
 * message and recipient.
 *
 * The descriptor is used only while it certainly belongs to the connection. `destroy` closes it at once, and a connection that
 * is accepted in the same turn may get the same number. But `destroy` also clears the handle, so the handle is checked right
 * before the write, in the same call. Nothing can close it in between.
 */

/** Stands for a connection that only its stream may write to. */
export const NO_DESCRIPTOR = -1;

const HANDLE = "_handle";

/** Private field of sockets that their type definitions lack: null once the connection is closed. */
interface SocketParts {
  readonly [HANDLE]?: { readonly fd?: number } | null;
}

/**
 * Returns the descriptor of a connection for {@link writeDirectly}. {@link NO_DESCRIPTOR} for TLS, for streams that are no
 * sockets, and on systems other than Linux and macOS.
 */
export function findDescriptor(socket: Duplex): number {
  if (process.platform !== "linux" && process.platform !== "darwin") return NO_DESCRIPTOR;
  if (!(socket instanceof Socket) || socket instanceof TLSSocket) return NO_DESCRIPTOR;
  return (socket as unknown as SocketParts)[HANDLE]?.fd ?? NO_DESCRIPTOR;
}

/**
 * Writes bytes after all bytes written before. Where the stream holds bytes, it gets these too; it also gets the rest that
 * the connection does not accept. A failed write is repeated by the stream, which reports the error as usual.
 * @param descriptor - result of {@link findDescriptor}
 */
export function writeDirectly(socket: Duplex, descriptor: number, bytes: Uint8Array): void {
  if (descriptor === NO_DESCRIPTOR || socket.writableLength > 0 || !(socket as unknown as SocketParts)[HANDLE]) {
    socket.write(bytes);
    return;
  }
  let written = 0;
  try {
    written = writeSync(descriptor, bytes);
  } catch {
    // EAGAIN, or a connection that was reset.
  }
  if (written < bytes.length) socket.write(bytes.subarray(written));
}
