import { MemoryDriver } from "../../../src/brokers/memory/driver.js";
import { historyContract } from "../../contract/history.js";
import { ManualClock } from "../../support/manual-clock.js";

historyContract("memory", async () => {
  const clock = new ManualClock();
  const driver = new MemoryDriver({ clock });
  await driver.start();
  return {
    drivers: [driver],
    outlive: async ({ history }) => {
      clock.advance(history.age);
    },
  };
});
