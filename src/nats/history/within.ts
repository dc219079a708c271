import type { Clock } from "../../core/ports.js";
import { withResolvers } from "../../util/with-resolvers.js";

/** Waits for a result. @returns undefined when it takes longer than `milliseconds` @throws whatever `result` rejects with */
export async function within<T>(clock: Clock, milliseconds: number, result: Promise<T>): Promise<T | undefined> {
  const late = withResolvers<undefined>();
  const cancel = clock.after(milliseconds, () => {
    late.resolve(undefined);
  });
  try {
    return await Promise.race([result, late.promise]);
  } finally {
    cancel();
  }
}
