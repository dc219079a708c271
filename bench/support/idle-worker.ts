import { createWorker } from "../../src/index.js";

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
