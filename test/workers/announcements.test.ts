import { withResolvers } from "../../src/util/with-resolvers.js";
import { startSharedBus } from "../support/nodes/shared-bus.js";
import { registerEcho, registerWorker, startDispatch, startTask } from "./support.js";

test("reads the patterns of other nodes in pages when it starts", async () => {
  const bus = await startSharedBus();
  const far = await startDispatch(bus);
  for (let worker = 0; worker < 6; worker += 1) {
    const events = Array.from({ length: 100 }, (_, position) => `e${worker * 100 + position}`);
    await registerEcho(far, events);
  }
  const near = await startDispatch(bus);
  for (const event of ["e0", "e499", "e500", "e599"]) {
    expect(await startTask(near.dispatch, event).outcome).toEqual({ parts: [event] });
  }
  expect(await startTask(near.dispatch, "e600").outcome).toMatchObject({ code: "unavailable" });
});

test("confirms a worker only when a node that missed a change has read it", async () => {
  const bus = await startSharedBus();
  const near = await startDispatch(bus);
  const far = await startDispatch(bus);
  bus.loses = (subject) => subject === "all";
  const missed = await registerWorker(far, ["a"]);

  // The next change reveals the gap. The page that near then requests is held back.
  const toNear = `node.${near.member.node}`;
  const { promise: page, resolve: hold } = withResolvers<Uint8Array>();
  bus.loses = (subject, data) => {
    if (subject === toNear) hold(data);
    return subject === toNear;
  };
  let confirmed = false;
  const registering = registerWorker(far, ["b"]).finally(() => {
    confirmed = true;
  });
  const held = await page;
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  expect(confirmed).toBe(false);
  bus.loses = () => false;
  bus.publish(toNear, held);
  await registering;
  const { outcome } = startTask(near.dispatch, "a");
  missed.registration.answer((await missed.assigned.next()).id, Buffer.from("done"), false);
  expect(await outcome).toEqual({ parts: ["done"] });
});
