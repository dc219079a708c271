import { ControlService } from "../../../../gen/carillon/v1/control_pb.js";
import { bearer, TestBackend } from "../../../support/backends/backend.js";
import { cleanUp } from "../../../support/clean-up.js";
import { connect } from "../../../support/clients/native.js";
import { ask, enter, KEY, startApplication } from "../../../support/clients/rootsocket.js";
import type { TestNode } from "../../../support/nodes/node.js";

interface FeedEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reader of a feed's events, like a browser's EventSource. */
class Feed {
  readonly response: Response;
  readonly #events: AsyncGenerator<FeedEvent>;

  constructor(response: Response) {
    this.response = response;
    this.#events = eventsOf(response);
  }

  /** Resolves with the next event; undefined when the feed has ended. */
  async next(): Promise<FeedEvent | undefined> {
    const { done, value } = await this.#events.next();
    return done === true ? undefined : value;
  }
}

async function* eventsOf({ body }: Response): AsyncGenerator<FeedEvent> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const [, type = "", data = ""] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
      if (type !== "") yield { type, data: JSON.parse(data) as FeedEvent["data"] };
      text = text.slice(end + 2);
    }
  }
}

async function openFeed({ http }: TestNode, key = KEY): Promise<Feed> {
  const ending = new AbortController();
  cleanUp(() => {
    ending.abort();
  });
  const response = await fetch(`${http}/api/v1/connections/`, {
    headers: { authorization: key, accept: "text/event-stream" },
    signal: ending.signal,
  });
  return new Feed(response);
}

test("S9: reports present connections, then those that open and close", async () => {
  const node = await startApplication();
  const before = await enter(node);
  const feed = await openFeed(node);
  expect(feed.response.status).toBe(200);
  expect(feed.response.headers.get("content-type")).toBe("text/event-stream");
  const present = await feed.next();
  expect(present).toMatchObject({ type: "present", data: { endedAt: null, ipAddress: "127.0.0.1", messages: 0 } });
  expect(await feed.next()).toEqual({ type: "caught_up", data: {} });

  const client = await connect(`${node.ws}/ws`, { headers: { "user-agent": "later" } });
  const opened = await feed.next();
  expect(opened).toMatchObject({ type: "opened", data: { endedAt: null, userAgent: "later" } });
  const begin = Date.now();
  client.webSocket.close(4_000);
  const closed = await feed.next();
  expect(closed).toMatchObject({ type: "closed", data: { ...opened?.data, endedAt: expect.any(String), code: 4_000 } });
  expect(Date.parse(String(closed?.data["endedAt"]))).toBeGreaterThanOrEqual(begin);

  before.send({ event: "disconnect" });
  const { identifier } = present?.data ?? {};
  expect(await feed.next()).toMatchObject({ type: "closed", data: { identifier, code: 1_000 } });
});

test("S9: answers a caller that accepts any type with the list", async () => {
  const node = await startApplication();
  const answer = await ask(node, "connections/", { method: "GET", headers: { accept: "*/*" } });
  expect(answer).toMatchObject({ status: 200, body: [] });
});

test("S9: keeps the feeds of applications apart", async () => {
  const node = await startApplication({ vhosts: { "/shop": {} } });
  const feed = await openFeed(node);
  expect(await feed.next()).toMatchObject({ type: "caught_up" });
  await connect(`${node.ws}/ws/shop`);
  await connect(`${node.ws}/ws`, { headers: { "user-agent": "sentinel" } });
  expect(await feed.next()).toMatchObject({ type: "opened", data: { userAgent: "sentinel" } });
});

test("S9: ends the feed of a revoked key, and tells the reader", async () => {
  const node = await startApplication();
  const backend = new TestBackend(node, bearer(KEY));
  const { key, secret } = await backend.call(ControlService.method.createKey, {
    name: "watcher",
    actions: ["connections"],
  });
  const feed = await openFeed(node, secret);
  expect(await feed.next()).toMatchObject({ type: "caught_up" });
  await backend.call(ControlService.method.revokeKey, { id: key?.id ?? "" });
  expect(await feed.next()).toEqual({
    type: "ended",
    data: { detail: expect.stringContaining("unknown or revoked key") },
  });
  expect(await feed.next()).toBeUndefined();
});

test("S9: ends the feed when the node stops, and tells the reader", async () => {
  const node = await startApplication();
  const feed = await openFeed(node);
  expect(await feed.next()).toMatchObject({ type: "caught_up" });
  const stopped = node.carillon.stop();
  expect(await feed.next()).toEqual({ type: "ended", data: { detail: "this node is stopping" } });
  expect(await feed.next()).toBeUndefined();
  await stopped;
});
