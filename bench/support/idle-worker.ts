import { once } from "node:events";
import { createWorker } from "../../src/index.js";
import { withResolvers } from "../../src/util/with-resolvers.js";

/** Runs something while a worker takes these events, which it leaves to others. */
export async function withWorker(grpc: string, events: readonly string[], run: () => Promise<void>): Promise<void> {
  const worker = createWorker({ url: `grpc://${grpc}` });
  for (const event of events) worker.on(event, () => {});
  await worker.start();
  try {
    await run();
  } finally {
    await worker.stop();
  }
}

/** Starts a worker that ends none of its tasks. */
export async function startBusyWorker(grpc: string, events: readonly string[]) {
  const worker = createWorker({ url: `grpc://${grpc}`, capacity: events.length });
  let given = 0;
  const { promise: busy, resolve } = withResolvers<void>();
  for (const event of events) {
    worker.on(event, ({ signal }) => {
      given += 1;
      if (given === events.length) resolve();
      return once(signal, "abort").then(() => undefined);
    });
  }
  await worker.start();
  return {
    /** Resolves when it has a task of each event. */
    busy,
    /** Cuts the connection, which loses the tasks. */
    lose: () => worker.stop({ timeout: 0 }),
  };
}
