import type { Worker } from "node:cluster";

interface Closable {
  readonly close: () => void;
}

/**
 * Closes the connection that was on its way to a worker process when that ended. Node.js hands over one connection at a time,
 * and forgets one that the process did not take: its client would wait for ever.
 */
export function closeLostConnection(worker: Worker): void {
  const { process } = worker;
  const send = process.send.bind(process) as (...args: unknown[]) => boolean;
  let last: Closable | undefined;
  process.send = (...args: unknown[]): boolean => {
    const handle = args[1] as Closable | undefined;
    if (handle !== undefined && handle !== null) last = handle;
    return send(...args);
  };
  // A connection that the process has taken is closed here already, which makes this a second close without effect.
  worker.on("exit", () => last?.close());
}
