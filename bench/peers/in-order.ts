import type { ContenderOptions, Entry } from "../support/contender.js";

/**
 * Lets each request wait for the answer to the one before it, as a backend does whose messages must keep their order.
 * Concurrent calls may overtake each other on any server.
 */
export function inOrder(call: (entries: readonly Entry[]) => Promise<void>): ContenderOptions["publish"] {
  let last = Promise.resolve();
  return (entries) => {
    last = last.then(() => call(entries));
    return last;
  };
}
