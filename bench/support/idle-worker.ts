import { once } from "node:events";
import { createWorker } from "../../src/index.js";
import { withResolvers } from "../../src/util/with-resolvers.js";

/** Runs a function while an idle worker is registered for events. */
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

/** Starts a worker that never completes its tasks. */
export async function startBusyWorker(grpc: string, events: readonly string[]) {
  const worker = createWorker({ url: `grpc://${grpc}`, capacity: events.length });
  let started = 0;
  const { promise: busy, resolve } = withResolvers<void>();
  for (const event of events) {
    worker.on(event, ({ signal }) => {
      started += 1;
      if (started === events.length) resolve();
      return once(signal, "abort").then(() => undefined);
    });
  }
  await worker.start();
  return {
    /** Resolves when the worker has a task of each event. */
    busy,
    /** Closes the connection, which loses the tasks. */
    lose: () => worker.stop({ timeout: 0 }),
  };
}
