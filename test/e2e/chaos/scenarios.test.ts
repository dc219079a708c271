import { CHAOS_TIMEOUT, NO_FAULTS, runChaos } from "../../support/nodes/chaos.js";

test.each([
  ["rolling-restart", "all nodes are restarted one after the other"],
  ["node-kill", "nodes are killed"],
  ["link-cut", "nodes lose their links to NATS"],
])(
  "H2: %s: neither loses nor repeats a message when %s",
  async (name) => {
    const outcome = await runChaos(name);
    expect(outcome).toMatchObject(NO_FAULTS);
    expect(Number(outcome.row["recovered"])).toBeGreaterThan(0);
  },
  CHAOS_TIMEOUT,
);

test(
  "H2, L7, L22: drain: neither loses nor repeats a message, and no node admits more clients than its rate, when all are drained",
  async () => {
    const outcome = await runChaos("drain");
    expect(outcome).toMatchObject(NO_FAULTS);
    expect(Number(outcome.row["recovered"])).toBeGreaterThan(0);
  },
  CHAOS_TIMEOUT,
);

test.each([
  ["leader-kill", "the NATS server that leads the stream is killed"],
  ["server-freeze", "the NATS server that leads the stream is frozen for a while"],
])(
  "H2, H6: %s: neither loses nor repeats a message when %s",
  async (name) => {
    expect(await runChaos(name)).toMatchObject(NO_FAULTS);
  },
  CHAOS_TIMEOUT,
);

test(
  "H3: memory-loss: recovers nothing from positions of a stream that has lost its messages",
  async () => {
    const outcome = await runChaos("memory-loss");
    expect(outcome).toMatchObject(NO_FAULTS);
    expect(outcome.row["refused"]).toMatch(/\d+ unknown_position/);
  },
  CHAOS_TIMEOUT,
);

test.each([
  ["away", "expired", "clients are away for longer than messages are kept"],
  ["purge", "expired", "topics are purged while clients are away"],
  ["foreign-positions", "unknown_position", "positions belong to other topics, vhosts and streams, or are altered"],
])(
  "H3: %s: tells clients `%s` when %s",
  async (name, reason) => {
    const outcome = await runChaos(name);
    expect(outcome).toMatchObject(NO_FAULTS);
    expect(outcome.row["refused"]).toContain(reason);
  },
  CHAOS_TIMEOUT,
);
