import type { Socket } from "socket.io";
import type { NamespaceSession } from "./namespace-session.js";

/**
 * Gives a socket the id of its session, so that backends can address it. The library keeps pending sockets by id, and looks for this
 * one by its new id after admission.
 */
export function renamePendingSocket(socket: Socket, id: string): void {
  const sockets = findPendingSockets(socket);
  sockets.delete(socket.id);
  Object.assign(socket, { id });
  sockets.set(id, socket);
}

/** Gives a pending socket and its future session another id. */
export function changePendingId(socket: Socket, namespaceSession: NamespaceSession, id: string): void {
  namespaceSession.changeConnectionId(id);
  renamePendingSocket(socket, id);
}

const PENDING_SOCKETS = "_preConnectSockets";

/** Returns the namespace's sockets before admission, a private map of the library. */
function findPendingSockets({ nsp }: Socket): Map<string, Socket> {
  return (nsp as unknown as Readonly<Record<typeof PENDING_SOCKETS, Map<string, Socket>>>)[PENDING_SOCKETS];
}
