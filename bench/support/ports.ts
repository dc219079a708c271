import { once } from "node:events";
import { createServer } from "node:net";

/** Ports below the range from which systems give free ones to other programs, which could take a port before its listener does. */
const FIRST_PORT = 20_000;
const PORTS = 12_000;

/** Finds free ports for listeners whose addresses must be known before they start. */
export async function findFreePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  await once(server.close(), "close");
  return true;
}
