import type { Child } from "./child.js";
import { pause } from "./pause.js";

/** A process that takes less than this of a step, in milliseconds, has nothing to do. */
const STEP = 100;
const NOTHING = 3;
const PATIENCE = 5_000;

/** Waits until a server has done what it was left with, such as connections that have ended. */
export async function quiet(server: Child): Promise<void> {
  const end = performance.now() + PATIENCE;
  for (let busy = true; busy && performance.now() < end; ) {
    const before = await server.cpu();
    await pause(STEP);
    busy = (await server.cpu()) - before > NOTHING * 1_000;
  }
}
