import { MemoryDriver } from "../../../src/brokers/memory/driver.js";
import { brokerContract } from "../../contract/broker.js";

brokerContract("memory", async () => {
  const driver = new MemoryDriver();
  await driver.start();
  return { drivers: [driver] };
});
