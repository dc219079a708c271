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
