import type { ServerProcess } from "./contender.js";
import { pause } from "./pause.js";

/** Milliseconds between two samples. */
const STEP = 100;
/** CPU time per step below which a process counts as idle, in milliseconds. */
const IDLE_CPU = 3;
const TIMEOUT = 5_000;

/** Waits until a server is idle, for example after connections have ended. */
export async function waitUntilIdle(server: Pick<ServerProcess, "cpu">): Promise<void> {
  const end = performance.now() + TIMEOUT;
  for (let busy = true; busy && performance.now() < end; ) {
    const before = await server.cpu();
    await pause(STEP);
    busy = (await server.cpu()) - before > IDLE_CPU * 1_000;
  }
}
