import { publish } from "../../../support/backends/publish.js";
import type { StockOptions } from "../../../support/clients/socket-io.js";
import { startNode } from "../../../support/nodes/node.js";
import { tokenFor } from "../support.js";
import { CONFIG, connectReturning, type ReturningClient, say, VHOST } from "./support.js";

const WEBSOCKET: StockOptions = { transports: ["websocket"] };

/** Expects a new session: another id, none of the topics, and nothing of what was missed. */
async function expectNewSession(client: ReturningClient, before: string, topic: string): Promise<void> {
  expect([client.recovered, client.id === before]).toEqual([false, false]);
  expect(await client.ask("leave", { topics: [topic] })).toEqual({ ok: true });
  expect(client.heard.unread.filter(({ event }) => event === "message")).toEqual([]);
}

async function member(topics: readonly string[], options: StockOptions = {}, config = CONFIG) {
  const node = await startNode(config);
  const client = await connectReturning(node, { ...WEBSOCKET, ...options });
  expect(await client.ask("join", { topics })).toEqual({ ok: true });
  return { node, client, id: client.id };
}

describe("I21: begins a new session", () => {
  test("when a topic has no history", async () => {
    const { client, id, node } = await member(["room.a", "plain"]);
    await client.lose();
    await say(node, "room.a", 1);
    await client.comeBack();
    await expectNewSession(client, id, "room.a");
  });

  test("when the client joined a topic without history last, or left its last topic", async () => {
    const { client, id, node } = await member(["room.a"]);
    expect(await client.ask("join", { topics: ["plain"] })).toEqual({ ok: true });
    await client.lose();
    await say(node, "room.a", 1);
    await client.comeBack();
    await expectNewSession(client, id, "room.a");
    await client.ask("join", { topics: ["room.a"] });
    const second = client.id;
    await client.ask("leave", { topics: ["room.a"] });
    await client.lose();
    await say(node, "room.a", 2);
    await client.comeBack();
    await expectNewSession(client, second, "room.a");
  });

  test("when messages have expired", async () => {
    const history = { chat: { ...VHOST.history.chat, messages: 2 } };
    const { client, id, node } = await member(["room.a"], {}, { vhosts: { "/": { ...VHOST, history } } });
    await client.lose();
    await say(node, "room.a", 1, 2, 3);
    await client.comeBack();
    await expectNewSession(client, id, "room.a");
  });

  test("when one of many topics cannot be recovered", async () => {
    const history = { chat: { ...VHOST.history.chat, messages: 2 } };
    const topics = ["room.a", "room.b", "room.c"];
    const { client, id, node } = await member(topics, {}, { vhosts: { "/": { ...VHOST, history } } });
    await client.lose();
    await say(node, "room.a", 1);
    await say(node, "room.c", 1, 2, 3);
    await client.comeBack();
    await expectNewSession(client, id, "room.a");
  });

  test("when the pid or the offset is forged, cut or missing", async () => {
    const { client, node } = await member(["room.a"]);
    const { offset = "", pid = "" } = client.state;
    const other = await connectReturning(node, WEBSOCKET);
    await other.ask("join", { topics: ["room.a"] });
    const forged = [
      { pid: `${pid.slice(0, -1)}${pid.endsWith("A") ? "B" : "A"}`, offset },
      { pid: pid.replace(/^[^.]+\.[^.]+/, other.id), offset },
      { pid: other.state.pid, offset },
      { pid, offset: other.state.offset },
      { pid, offset: undefined },
      { pid: "x", offset },
      { pid, offset: "" },
      { pid, offset: offset.slice(0, 16) },
      { pid, offset: offset.slice(0, -1) },
      { pid, offset: `${offset},room.b=x` },
      { pid, offset: offset.replace("room.a", "room.b") },
      { pid, offset: offset.replace("room.a", "%") },
      { pid, offset: `A${offset.slice(1)}B` },
      { pid, offset: "x".repeat(10_000) },
    ];
    await say(node, "room.a", 1);
    await client.messages(1);
    for (const state of forged) {
      const before = client.id;
      await client.lose();
      client.state = state;
      await client.comeBack();
      await expectNewSession(client, before, "room.a");
    }
  });

  test("when another user presents the pid and the offset, whatever the permissions", async () => {
    const eve = { auth: { token: await tokenFor("eve") } };
    const { client, id, node } = await member(["room.a"], eve);
    for (const auth of [{ token: await tokenFor("mallory") }, {}]) {
      const thief = await connectReturning(node, WEBSOCKET);
      await thief.lose();
      thief.state = client.state;
      thief.socket.auth = auth;
      await thief.comeBack();
      expect([thief.recovered, thief.id === id]).toEqual([false, false]);
    }
    // Eve's own connection was not touched.
    await say(node, "room.a", 1);
    expect(await client.messages(1)).toEqual([1]);
  });

  test("when the client may no longer join a topic", async () => {
    const token = await tokenFor("eve", { permissions: { join: ["staff.eve"] } });
    const { client, id, node } = await member(["room.a", "staff.eve"], { auth: { token } });
    await client.lose();
    await say(node, "room.a", 1);
    client.socket.auth = { token: await tokenFor("eve", { permissions: {} }) };
    await client.comeBack();
    await expectNewSession(client, id, "room.a");
  });

  test("when a client that was elevated after it had connected comes back without a token", async () => {
    const { client, id, node } = await member(["room.a"]);
    const token = await tokenFor("eve");
    expect(await client.ask("request_elevation", { token })).toMatchObject({ success: true });
    await client.lose();
    await client.comeBack();
    await expectNewSession(client, id, "room.a");
    // The client presents the same user's token at once.
    await client.ask("join", { topics: ["room.a"] });
    await client.ask("request_elevation", { token });
    const second = client.id;
    await client.lose();
    await say(node, "room.a", 1);
    client.socket.auth = { token };
    await client.comeBack();
    expect([client.recovered, client.id]).toEqual([true, second]);
    expect(await client.messages(1)).toEqual([1]);
    expect(await client.ask("join", { topics: ["staff.eve"] })).toEqual({ ok: true });
  });

  test("when a message that looks like an offset was the last event", async () => {
    const { client, id, node } = await member(["plain"]);
    const offset = `${"A".repeat(16)},room.a=x`;
    await publish(node, [{ topics: ["plain"], payload: JSON.stringify(offset) }]);
    expect(await client.messages(1)).toEqual([offset]);
    expect(client.state.offset).toBe(offset);
    await client.lose();
    await client.comeBack();
    await expectNewSession(client, id, "plain");
  });

  test("when it is in too many topics for one offset", async () => {
    const topics = Array.from({ length: 80 }, (_, place) => `room.${"x".repeat(20)}${place}`);
    const { client, id, node } = await member(topics.slice(0, 40));
    expect(client.state.offset).not.toBe("");
    await client.ask("join", { topics: topics.slice(40) });
    expect(client.state.offset).toBe("");
    await client.lose();
    await say(node, topics[0] ?? "", 1);
    await client.comeBack();
    await expectNewSession(client, id, topics[0] ?? "");
  });
});
