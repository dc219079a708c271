import { brokerContract } from "../../contract/broker.js";
import { startNatsDriver } from "../../support/nats/driver.js";
import { startNats } from "../../support/nats/server.js";

brokerContract("nats", async () => {
  const server = await startNats();
  const one = await startNatsDriver({ servers: [server.url] });
  const other = await startNatsDriver({ servers: [server.url] });
  return { drivers: [one.driver, other.driver] };
});
