import { LocalBus } from "../../src/cluster/local-bus.js";
import { busContract } from "../contract/bus.js";
import { startNatsBus } from "../support/nats/bus.js";
import { connectNats, listenTo } from "../support/nats/client.js";
import { startNats } from "../support/nats/server.js";
import { startTcpProxy } from "../support/net/tcp-proxy.js";
import { Queue } from "../support/queue.js";

busContract("local", async () => {
  const bus = new LocalBus(() => {});
  await bus.start();
  return [bus, bus];
});

busContract("nats", async () => {
  const server = await startNats();
  const [one, other] = [await startNatsBus(server.url), await startNatsBus(server.url)];
  return [one.bus, other.bus];
});

test("is shared with NATS, and not shared without", async () => {
  const server = await startNats();
  expect(new LocalBus(() => {}).shared).toBe(false);
  expect((await startNatsBus(server.url)).bus.shared).toBe(true);
});

test("uses subjects below the prefix that no topic can have", async () => {
  const server = await startNats();
  const { bus } = await startNatsBus(server.url, { prefix: "my.prefix" });
  const inbox = await listenTo(await connectNats(server), ">");
  bus.publish("node.a", Buffer.from("1"));
  expect((await inbox.next()).subject).toBe("my.prefix.$cluster.node.a");
});

test("rejects flushes and drops messages while NATS is disconnected, and recovers with all subscriptions", async () => {
  const server = await startNats();
  const proxy = await startTcpProxy(server.port);
  const { bus, downs, ups } = await startNatsBus(proxy.natsUrl);
  const { bus: other } = await startNatsBus(server.url);
  await ups.next();
  const received = new Queue<string>();
  const listen = (data: Uint8Array): void => {
    received.push(Buffer.from(data).toString());
  };
  bus.subscribe("before", listen);
  other.subscribe("lost", listen);
  await other.flush();
  proxy.shut();
  await downs.next();
  expect(bus.up).toBe(false);
  await expect(bus.flush()).rejects.toMatchObject({ code: "unavailable" });
  bus.publish("lost", Buffer.from("lost"));
  bus.subscribe("meanwhile", listen);

  proxy.open();
  await ups.next();
  expect(bus.up).toBe(true);
  bus.publish("lost", Buffer.from("not lost"));
  expect(await received.next()).toBe("not lost");
  other.publish("before", Buffer.from("1"));
  other.publish("meanwhile", Buffer.from("2"));
  expect([await received.next(), await received.next()]).toEqual(["1", "2"]);
});

test("connects when NATS becomes available after the start", async () => {
  const server = await startNats();
  await server.kill();
  const { bus, ups } = await startNatsBus(server.url);
  expect(bus.up).toBe(false);
  const received = new Queue<string>();
  bus.subscribe("a", (data) => {
    received.push(Buffer.from(data).toString());
  });
  await server.start();
  await ups.next();
  bus.publish("a", Buffer.from("1"));
  expect(await received.next()).toBe("1");
});

test("rejects start for a wrong password", async () => {
  const server = await startNats("authorization { user: a, password: b }");
  await expect(startNatsBus(server.url)).rejects.toMatchObject({ code: "failed_precondition" });
});

test("drops and reports a message that is too large for the server", async () => {
  const server = await startNats("max_payload: 1000");
  const { bus, errors } = await startNatsBus(server.url);
  bus.publish("a", new Uint8Array(1_001));
  expect(await errors.next()).toMatch(/^a message of a was not sent/);
  await bus.flush();
});

test("O6: bounds the bytes pending for a server that does not read, and continues when it reads", async () => {
  const server = await startNats();
  const { bus, errors } = await startNatsBus(server.url);
  const { bus: other } = await startNatsBus(server.url);
  const received = new Queue<number>();
  other.subscribe("a", (data) => {
    received.push(data.length);
  });
  await other.flush();
  server.signal("SIGSTOP");
  const size = 1 << 19;
  // 128 messages are 64 MiB.
  for (let number = 0; number < 140; number += 1) {
    bus.publish("a", new Uint8Array(size));
    if (number % 10 === 0) await new Promise(setImmediate);
  }
  expect(await errors.next()).toMatch(/^a message of a was not sent: more than 67108864 bytes are pending/);
  server.signal("SIGCONT");
  for (let number = 0; number < 128; number += 1) expect(await received.next()).toBe(size);
  await bus.flush();
  bus.publish("a", new Uint8Array(1));
  expect(await received.next()).toBe(1);
  expect([errors.unread, received.unread]).toEqual([[], []]);
});
