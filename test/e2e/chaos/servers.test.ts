import { CHAOS_TIMEOUT, NO_FAULTS, runChaos } from "../../support/nodes/chaos.js";

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
