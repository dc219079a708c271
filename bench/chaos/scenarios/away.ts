import { pause } from "../../support/pause.js";
import { KEEP, World } from "../parts/world.js";
import type { Scenario } from "./scenario.js";

/** Age of the messages of the class `short`, in seconds. */
const AGE = 3;

const SHORT = { ...KEEP, messages: 10_000, age: `${AGE}s`, deduplication: `${AGE}s`, replicas: 1 } as const;

export const away: Scenario = {
  name: "away",
  what: "clients are away for 2 s, longer, and longer than the age of messages",
  run: (size) => {
    const topics = size.toy ? 2 : 5;
    const classes = { keep: { topics, settings: KEEP }, short: { topics, settings: SHORT } };
    return World.run({ size, classes }, async (world) => {
      for (const topic of world.topics.filter((name) => name.startsWith("short."))) world.trimmed.add(topic);
      const seconds = size.toy ? [0.5, 2, AGE + 2] : [2, 2 * AGE, Math.max(120, size.seconds)];
      const groups = seconds.map((_, group) => world.clients.filter((__, position) => position % 4 === group));
      for (const client of groups.flat()) client.leave();
      let passed = 0;
      for (const [group, until] of seconds.entries()) {
        await pause((until - passed) * 1_000);
        passed = until;
        for (const client of groups[group] ?? []) client.connect();
        await world.flow(`clients are back after ${until} s`);
      }
      world.expectRefused("expired");
    });
  },
};
