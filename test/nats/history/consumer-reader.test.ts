import { readByConsumer } from "../../../src/nats/history/read/consumer-reader.js";
import { connectNats } from "../../support/nats/client.js";
import { startNatsProxy } from "../../support/nats/proxy.js";
import { startJetStream } from "../../support/nats/store.js";

const SUBJECT = "chat.a";

/** Reads ten messages, of which the first ones are removed when the reader has asked how many there are. */
async function removeWhileReading(removed: number): Promise<{ readonly texts: string[]; readonly pending: number }> {
  const server = await startJetStream();
  const proxy = await startNatsProxy(server.port);
  const direct = await connectNats(server);
  const manager = await direct.jetstreamManager();
  await manager.streams.add({ name: "chat", subjects: ["chat.>"] });
  for (let number = 1; number <= 10; number += 1) await direct.jetstream().publish(SUBJECT, String(number));
  const reader = await connectNats(proxy);
  const asked = proxy.holdFrom("CONSUMER.MSG.NEXT", { after: "CONSUMER.CREATE" });
  const reading = readByConsumer(reader, { stream: "chat", subject: SUBJECT }, 1, 5, 10_000);
  await asked;
  await manager.streams.purge("chat", { seq: removed + 1 });
  proxy.release();
  const { msgs, pending } = await reading;
  return { texts: msgs.map((msg) => msg.string()), pending };
}

test("reads nothing when all messages are removed meanwhile", async () => {
  expect(await removeWhileReading(10)).toEqual({ texts: [], pending: 0 });
});

test("reads the messages that are left when others are removed meanwhile", async () => {
  expect(await removeWhileReading(7)).toEqual({ texts: ["8", "9", "10"], pending: 0 });
});
