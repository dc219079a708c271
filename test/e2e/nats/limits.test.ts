import { type JsonAnswer, publish, say } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { startNatsNode } from "../../support/nats/node.js";
import { startNatsProxy } from "../../support/nats/proxy.js";
import { startNats } from "../../support/nats/server.js";

const KIB = 1_024;

describe("E13: NATS that does not keep up", () => {
  const big = "x".repeat(30 * KIB);

  test("E13: publishes beyond the limit are refused, for as long as what was sent is not confirmed", async () => {
    const server = await startNats();
    const proxy = await startNatsProxy(server.port);
    const node = await startNatsNode(proxy.url, { pending: "64KiB", confirm_timeout: "100ms" });
    const client = await connect(`${node.ws}/ws`);
    await client.join("foo");

    server.signal("SIGSTOP");
    const sent = [{ topics: ["foo"], payload: big }];
    expect(await publish(node, sent, "PublishAsync")).toMatchObject({ ok: true });
    // This one waits until it has been too long; its bytes wait on in this process.
    expect(await publish(node, sent)).toMatchObject({ status: 503, code: "unavailable" });
    const behind = {
      status: 429,
      code: "resource_exhausted",
      message: expect.stringMatching(/^broker "nats" is behind: 9\d{4} bytes would wait for it, the limit is 65536$/),
    };
    for (let count = 0; count < 50; count += 1) {
      expect(await publish(node, sent)).toMatchObject(behind);
      expect(await publish(node, sent, "PublishAsync")).toMatchObject(behind);
    }
    expect(proxy.count("HPUB")).toBe(2);
    // What is small still fits: the limit is in bytes.
    expect(await publish(node, [{ topics: ["foo"], payload: "small" }], "PublishAsync")).toMatchObject({ ok: true });

    server.signal("SIGCONT");
    let answer: JsonAnswer;
    do answer = await publish(node, sent);
    while (answer.ok !== true);
    await say(node, "foo", "end");
    const lengths: number[] = [];
    while (lengths.at(-1) !== 3) lengths.push(String((await client.next()).payload).length);
    expect(lengths.slice(0, 3)).toEqual([big.length, big.length, 5]);
  });

  test("O4: a request that does not fit is published not at all", async () => {
    const server = await startNats();
    const node = await startNatsNode(server.url, { pending: "64KiB" });
    const client = await connect(`${node.ws}/ws`);
    await client.join("foo");

    const three = Array.from({ length: 3 }, () => ({ topics: ["foo"], payload: big }));
    expect(await publish(node, three)).toMatchObject({ code: "resource_exhausted" });
    await say(node, "foo", "end");

    expect(await client.next()).toMatchObject({ payload: "end" });
  });
});

test("E15: a payload that NATS does not take is refused, with all of its request, and the connection stays", async () => {
  const server = await startNats("max_payload: 64KB");
  const node = await startNatsNode(server.url);
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");

  const answer = await publish(node, [
    { topics: ["foo"], payload: "small" },
    { topics: ["foo"], payload: Buffer.alloc(64 * KIB) },
  ]);
  expect(answer).toMatchObject({
    status: 400,
    code: "invalid_argument",
    message:
      'payload for topic "foo": 65536 bytes and their metadata are more than the 65536 that broker "nats" takes (max_payload)',
  });
  // The longest metadata there can be, and what is left for the payload.
  const id = "i".repeat(255);
  const event = "e".repeat(255);
  const fits = Buffer.alloc(64 * KIB - 255 - 255 - 100);
  expect(await publish(node, [{ topics: ["foo"], payload: fits, id, event }])).toMatchObject({ ok: true });

  expect(String((await client.next()).payload)).toHaveLength(fits.length);
  expect(client.unread).toEqual([]);
});
