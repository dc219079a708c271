import { StartOrder } from "../../src/util/start-order.js";
import { withResolvers } from "../../src/util/with-resolvers.js";

test("O1: starts work in the order of the calls where some of it must be prepared", async () => {
  const order = new StartOrder();
  const started: string[] = [];
  const start = (name: string) => async () => {
    started.push(name);
    return name;
  };
  const now = order.run(() => undefined, start("now"));
  expect(started).toEqual(["now"]);
  const { promise: prepared, resolve } = withResolvers<void>();
  const slow = order.run(() => prepared, start("slow"));
  const after = order.run(() => undefined, start("after"));
  const failing = order.run(() => Promise.reject(new Error("refused")), start("failing"));
  const last = order.run(() => undefined, start("last"));
  expect(started).toEqual(["now"]);
  resolve();
  await expect(failing).rejects.toThrow("refused");
  expect(await Promise.all([now, slow, after, last])).toEqual(["now", "slow", "after", "last"]);
  expect(started).toEqual(["now", "slow", "after", "last"]);
  // Nothing waits any more.
  const again = order.run(() => undefined, start("again"));
  expect(started.at(-1)).toBe("again");
  await again;
});
