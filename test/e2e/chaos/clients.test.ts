import { CHAOS_TIMEOUT, NO_FAULTS, runChaos } from "../../support/nodes/chaos.js";

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
