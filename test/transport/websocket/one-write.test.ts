import { publish } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { countWrites, type WriteCounts } from "../../support/net/count-writes.js";
import { startNode } from "../../support/nodes/node.js";
import { command, openRaw } from "../../support/raw/client.js";

test("O7: sends the messages of one request to each session in one write", async () => {
  const node = await startNode();
  const clients = [await openRaw(node.http), await openRaw(node.http)];
  for (const client of clients) await client.join("foo");
  const writes = countWrites();
  const payloads = Array.from({ length: 100 }, (_, number) => String(number));
  await publish(
    node,
    payloads.map((payload) => ({ topics: ["foo"], payload })),
  );
  for (const client of clients) {
    for (const payload of payloads) expect(await client.nextJson()).toEqual({ topic: "foo", payload });
    expect(total(writes(client.socket.localPort ?? 0))).toBe(1);
  }
});

test("O7: sends messages of several topics in one write", async () => {
  const node = await startNode();
  const client = await openRaw(node.http, "/ws?meta=1");
  await client.join("a", "b", "c");
  const writes = countWrites();
  await publish(node, [
    { topics: ["a", "b"], payload: "1" },
    { topics: ["b", "c"], payload: "2" },
  ]);
  const received = [await client.nextJson(), await client.nextJson(), await client.nextJson(), await client.nextJson()];
  expect(received.map(({ payload, topic }) => `${String(topic)}${String(payload)}`).toSorted()).toEqual([
    "a1",
    "b1",
    "b2",
    "c2",
  ]);
  expect(total(writes(client.socket.localPort ?? 0))).toBe(1);
});

test("O7: sends the answers to commands of one chunk in one write", async () => {
  const node = await startNode();
  const client = await openRaw(node.http);
  const writes = countWrites();
  client.send(...Array.from({ length: 50 }, (_, id) => command({ command: "leave", topics: ["foo"], id })));
  for (let id = 0; id < 50; id += 1) expect(await client.nextJson()).toMatchObject({ id });
  expect(total(writes(client.socket.localPort ?? 0))).toBe(1);
});

test("O7: sends sessions with and without metadata the same message, each in its own form and one write", async () => {
  const node = await startNode();
  const [plain, meta] = [await connect(`${node.ws}/ws`), await openRaw(node.http, "/ws?meta=1")];
  await plain.join("foo");
  await meta.join("foo");
  const writes = countWrites();
  await publish(node, [
    { topics: ["foo"], payload: "1", id: "one", event: "e" },
    { topics: ["foo"], payload: "2", id: "two" },
  ]);
  expect([await plain.nextText(), await plain.nextText()]).toEqual([
    '{"topic":"foo","payload":"1"}',
    '{"topic":"foo","payload":"2"}',
  ]);
  expect(await meta.nextJson()).toMatchObject({ payload: "1", id: "one", event: "e" });
  expect(await meta.nextJson()).toMatchObject({ payload: "2", id: "two" });
  expect(total(writes(meta.socket.localPort ?? 0))).toBe(1);
});

function total({ direct, streamed }: ReturnType<WriteCounts>): number {
  return direct + streamed;
}
