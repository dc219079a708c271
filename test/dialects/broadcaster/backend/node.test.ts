import { configuredKey } from "../../../support/backends/backend.js";
import { startNode } from "../../../support/nodes/node.js";
import { BroadcasterClient, PATH, SECRET } from "../client.js";

const vhost = (key: string) => ({
  broadcaster: { secret: SECRET },
  keys: [configuredKey(key, { actions: ["publish"] })],
});

test("B20: delivers a backend's message in the vhost of its key only", async () => {
  const node = await startNode({ vhosts: { "/": vhost("one"), "/shop": vhost("two") } });
  const here = await BroadcasterClient.subscribed(node, PATH, "c");
  const there = await BroadcasterClient.subscribed(node, `${PATH}/shop`, "c");
  const post = async (key: string, payload: unknown): Promise<unknown> => {
    const response = await fetch(`${node.http}/broadcaster/publish`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ channel: "c", event: "e", payload }),
    });
    return { status: response.status, ...((await response.json()) as object) };
  };
  for (const [key, client] of [
    ["one", here],
    ["two", there],
  ] as const) {
    const { status, ...message } = (await post(key, { to: key })) as { status: number };
    expect(status).toBe(200);
    expect(message).toMatchObject({ seq: 0, channel: "c", event: "e", payload: { to: key } });
    expect(await client.next()).toEqual({ ...message, seq: 1 });
  }
  expect(await post("three", 1)).toMatchObject({ status: 401, code: "Unauthenticated" });
  for (const client of [here, there]) expect(await client.ask("heartbeat")).toMatchObject({ result: {} });
});

test("B1, B22: serves below the configured base, and refuses pages of other origins where no key is needed", async () => {
  const node = await startNode({ broadcaster: { base: "/b" } });
  const post = (headers: Record<string, string>) =>
    fetch(`${node.http}/b/publish`, { method: "POST", headers, body: '{"channel":"c","event":"e","payload":1}' });
  expect((await post({})).status).toBe(200);
  expect((await post({ origin: "https://evil.example" })).status).toBe(403);
  expect(await (await fetch(`${node.http}/b/health`)).text()).toBe("ok");
  expect((await fetch(`${node.http}/broadcaster/health`)).status).toBe(404);
});
