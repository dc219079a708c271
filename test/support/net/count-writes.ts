import { Socket } from "node:net";
import { cleanUp } from "../clean-up.js";

type Write = (this: Socket, ...rest: never[]) => void;

/**
 * Counts the writes of this process to the system, by the port of the peer. Node's streams call `_write` or `_writev`
 * once for each write, even of many corked chunks. Receivers cannot count writes, because the system joins them.
 */
export function countWrites(): (peerPort: number) => number {
  const counts = new Map<number, number>();
  const prototype = Socket.prototype as unknown as Record<"_write" | "_writev", Write>;
  for (const name of ["_write", "_writev"] as const) {
    const original = prototype[name];
    prototype[name] = function count(this: Socket, ...rest: never[]): void {
      const port = this.remotePort ?? -1;
      counts.set(port, (counts.get(port) ?? 0) + 1);
      original.apply(this, rest);
    };
    cleanUp(() => {
      prototype[name] = original;
    });
  }
  return (peerPort) => counts.get(peerPort) ?? 0;
}
