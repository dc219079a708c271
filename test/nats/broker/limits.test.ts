import type { Subscription } from "../../../src/core/ports.js";
import { publication, startNatsDriver, type TestDriver } from "../../support/nats/driver.js";
import { type NatsServer, startNats } from "../../support/nats/server.js";
import { Queue } from "../../support/queue.js";

const TOPICS = ["a", "b", "c"];

interface Setup extends TestDriver {
  readonly server: NatsServer;
  /** Received messages as `topic=payload`. */
  readonly received: Queue<string>;
  readonly listen: (topic: string) => Subscription;
}

async function setUp(config: string): Promise<Setup> {
  const server = await startNats(config);
  const made = await startNatsDriver({ servers: [server.url] });
  await made.ups.next();
  const received = new Queue<string>();
  const listen = (topic: string): Subscription =>
    made.driver.subscribe("/", topic, {
      deliver({ payload }) {
        received.push(`${topic}=${Buffer.from(payload).toString()}`);
      },
    });
  return { ...made, server, received, listen };
}

/** Starts the same driver on a server that accepts only these three subjects. */
async function setUpFull(): Promise<Setup & { readonly subscriptions: readonly Subscription[] }> {
  const made = await setUp("max_subscriptions: 3");
  const subscriptions = TOPICS.map(made.listen);
  await made.driver.settle();
  return { ...made, subscriptions };
}

function refused(topic: string): object {
  return {
    code: "resource_exhausted",
    message: `broker "nats" does not permit this node to subscribe to topic "${topic}": maximum subscriptions exceeded`,
  };
}

async function expectReceived({ driver, received }: Setup, topics: readonly string[], payload: string): Promise<void> {
  await driver.publish(topics.map((topic) => publication(topic, payload)));
  for (const topic of topics) expect(await received.next()).toBe(`${topic}=${payload}`);
}

test("N6: refuses a subscription beyond the server's limit, and keeps the confirmed ones", async () => {
  const made = await setUpFull();

  const late = [made.listen("d"), made.listen("e")];
  await made.driver.settle();

  expect(late.map(({ refusal }) => refusal)).toEqual([
    expect.objectContaining(refused("d")),
    expect.objectContaining(refused("e")),
  ]);
  expect(made.subscriptions.map(({ refusal }) => refusal)).toEqual([undefined, undefined, undefined]);
  expect(await made.errors.next()).toBe("maximum subscriptions exceeded");
  expect(made.downs.unread).toEqual([]);
  await expectReceived(made, TOPICS, "1");
});

test("N6: refuses both subscriptions that race for the last place, and accepts either on a retry", async () => {
  const made = await setUp("max_subscriptions: 1");

  const racing = [made.listen("a"), made.listen("b")];
  await made.driver.settle();
  for (const { refusal } of racing) expect(refusal).toMatchObject({ code: "resource_exhausted" });

  for (const subscription of racing) subscription.close();
  const again = made.listen("b");
  await made.driver.settle();
  expect(again.refusal).toBeUndefined();
  await expectReceived(made, ["b"], "1");
});

test("O2: confirms a subject in the round of a publish, and keeps it when the next round has a refusal", async () => {
  const made = await setUp("max_subscriptions: 1");
  const first = made.listen("a");
  await made.driver.publish([publication("b", "1")]);

  const second = made.listen("b");
  await made.driver.settle();

  expect(first.refusal).toBeUndefined();
  expect(second.refusal).toMatchObject(refused("b"));
});

test("O5: confirms a publish in the round of a refused subject", async () => {
  const { driver, received, listen } = await setUpFull();

  const late = listen("d");
  const [{ stage }] = await Promise.all([driver.publish([publication("a", "1")]), driver.settle()]);

  expect(stage).toBe("flushed");
  expect(late.refusal).toMatchObject(refused("d"));
  expect(await received.next()).toBe("a=1");
});

test("O9: subscribes again after a reconnect to a subject that was refused because of the server's limit", async () => {
  const made = await setUpFull();
  const late = made.listen("d");
  await made.driver.settle();
  expect(late.refusal).toMatchObject(refused("d"));

  await made.server.kill();
  await made.server.start();
  await made.ups.next();
  await made.driver.settle();
  expect(late.refusal).toMatchObject(refused("d"));
  await expectReceived(made, TOPICS, "1");

  await made.server.kill();
  made.server.reconfigure("");
  await made.server.start();
  await made.ups.next();
  await made.driver.settle();
  expect(late.refusal).toBeUndefined();
  await expectReceived(made, [...TOPICS, "d"], "2");
});

test("O5: refuses new joins when the server accepts fewer subjects after a reconnect, and delivers the accepted ones", async () => {
  const made = await setUpFull();

  await made.server.kill();
  made.server.reconfigure("max_subscriptions: 2");
  await made.server.start();
  await made.ups.next();
  await made.driver.settle();

  for (const [position, { refusal }] of made.subscriptions.entries()) {
    expect(refusal).toMatchObject(refused(TOPICS[position] ?? ""));
  }
  await expectReceived(made, ["a", "b"], "1");
});
