import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** Finds free ports for listeners whose addresses must be known before they start. */
export async function findFreePorts(count: number): Promise<number[]> {
  const holders = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(holders.map((holder) => once(holder, "listening")));
  const ports = holders.map((holder) => (holder.address() as AddressInfo).port);
  await Promise.all(holders.map((holder) => once(holder.close(), "close")));
  return ports;
}
