import { findFreePorts } from "../../../bench/support/ports.js";

/** Finds an address on loopback, HOST:PORT, that no other program gets while nothing listens there: before a start, or between two. */
export async function keepAddress(): Promise<string> {
  const [port] = await findFreePorts(1);
  return `127.0.0.1:${port}`;
}
