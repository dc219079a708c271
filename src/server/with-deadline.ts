import { systemClock } from "../util/system-clock.js";
import { withResolvers } from "../util/with-resolvers.js";

/** @returns whether it was done by the time `end`, by the monotonic clock */
export async function withDeadline(end: number, done: Promise<unknown>): Promise<boolean> {
  const { promise: late, resolve } = withResolvers<false>();
  const cancel = systemClock.after(Math.max(0, end - systemClock.monotonic()), () => {
    resolve(false);
  });
  const inTime = await Promise.race([done.then(() => true), late]);
  cancel();
  return inTime;
}
