import { historyContract } from "../../contract/history.js";
import { startNatsDriver } from "../../support/nats/driver.js";
import { outlive } from "../../support/nats/history.js";
import { startJetStream } from "../../support/nats/store.js";

historyContract("NATS", async () => {
  const { url } = await startJetStream();
  const [one, other] = await Promise.all([startNatsDriver({ servers: [url] }), startNatsDriver({ servers: [url] })]);
  return { drivers: [one.driver, other.driver], outlive: ({ history }) => outlive(url, history) };
});
