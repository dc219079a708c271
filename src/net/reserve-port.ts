import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Address } from "../util/address.js";
import { ignore } from "../util/ignore.js";

/**
 * Replaces port 0 with a free port, and reserves that port until this process ends, for listeners of its child processes. The
 * reservation is a connection that has the port at one end: the system gives the port to no other program, but lets one listen on it.
 * @throws Error of node:net, such as EADDRNOTAVAIL
 */
export async function reservePort(address: Address): Promise<Address> {
  if (address.port !== 0) return address;
  const server = createServer(hold).listen(0, address.host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect(port, address.host);
  hold(client);
  try {
    await Promise.all([once(server, "connection"), once(client, "connect")]);
  } finally {
    server.close();
  }
  return { ...address, port };
}

/** Keeps a connection open without keeping the process alive. */
function hold(socket: Socket): void {
  socket.on("error", ignore).unref();
}
