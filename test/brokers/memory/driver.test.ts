import { MemoryDriver } from "../../../src/brokers/memory/driver.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { brokerContract } from "../../contract/broker.js";

brokerContract("memory", async () => {
  const driver = new MemoryDriver({ clock: systemClock });
  await driver.start();
  return { drivers: [driver] };
});
