import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { TestBackend } from "../../support/backends/backend.js";
import { publish, say } from "../../support/backends/publish.js";
import { inBrowser, openPage, type TestPage } from "../../support/clients/browser.js";
import { startSite } from "../../support/clients/site.js";
import { startNatsNode } from "../../support/nats/node.js";
import { startJetStream } from "../../support/nats/store.js";
import { keepAddress } from "../../support/net/kept-address.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const VHOSTS = {
  "/": { history: { chat: { messages: 100, age: "5m" } }, topics: [{ match: "room.*", history: "chat" }] },
};

interface Heard {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

/** Globals of the page. */
interface Page {
  source: EventSource;
  heard: Heard[];
}

/** Opens a page of another origin, and a stream in it. Resolves when the stream has begun. */
async function openInPage(node: TestNode, path: string, names: readonly string[] = []): Promise<TestPage> {
  const opened = await openPage(await startSite(), { expected: /ERR_|status of 503/ });
  await opened.page.evaluate(
    ({ names: events, url }) => {
      const page = globalThis as unknown as Page;
      page.heard = [];
      page.source = new EventSource(url, { withCredentials: true });
      for (const name of ["message", "carillon.recovery", "carillon.close", ...events]) {
        page.source.addEventListener(name, ({ type: event, data, lastEventId: id }: MessageEvent<string>) => {
          page.heard.push({ event, data, id });
        });
      }
      return new Promise((resolve) => {
        page.source.addEventListener("open", resolve, { once: true });
      }).then(() => undefined);
    },
    { url: node.http + path, names },
  );
  return opened;
}

/** Resolves with the next event that the page receives. */
async function heard({ page }: TestPage): Promise<Heard> {
  const handle = await page.waitForFunction(() => (globalThis as unknown as Page).heard.shift());
  return handle.jsonValue() as Promise<Heard>;
}

const ANY = { origins: ["*"] };

inBrowser("in a browser", () => {
  test("V1, V3: delivers messages to EventSource as published, also to pages of other origins", async () => {
    const node = await startNode(ANY);
    const page = await openInPage(node, "/events?topic=foo", ["created"]);
    const payloads = ["", "one\ntwo", "\n", " leading", "id: 1\n\nevent: x", "\u0000é\uFEFF😀", "tab\tand:colon"];
    for (const payload of payloads) {
      await publish(node, [{ topics: ["foo"], payload }]);
      expect(await heard(page)).toEqual({ event: "message", data: payload, id: "" });
    }
    await publish(node, [{ topics: ["foo"], payload: "x\r\ny\rz", event: "created" }]);
    expect(await heard(page)).toEqual({ event: "created", data: "x\ny\nz", id: "" });
    await publish(node, [{ topics: ["foo"], payload: Buffer.from([0xff, 0]) }]);
    const { data } = await heard(page);
    const bytes = await page.page.evaluate(async (url) => {
      return [...new Uint8Array(await (await fetch(url)).arrayBuffer())];
    }, data);
    expect(bytes).toEqual([0xff, 0]);
  });

  test("V5, V6: recovers what was missed when the browser reconnects by itself", async () => {
    const node = await startNode({ ...ANY, vhosts: VHOSTS });
    const page = await openInPage(node, "/events?topic=room.a&topic=room.b");
    // Cut before the first message: the browser has only the id of the first block.
    for (const round of ["first", "second"]) {
      await disconnectAll(node);
      expect(await heard(page)).toMatchObject({ event: "carillon.close" });
      await say(node, "room.a", `${round} a`);
      await say(node, "room.b", `${round} b`);
      const both = [(await heard(page)).data, (await heard(page)).data];
      expect(both.toSorted()).toEqual([`${round} a`, `${round} b`]);
    }
  });

  test("V8: tells a browser that its messages cannot be recovered after a restart without a store", async () => {
    const http = await keepAddress();
    const node = await startNode({ ...ANY, vhosts: VHOSTS, http });
    const page = await openInPage(node, "/events?topic=room.a");
    await say(node, "room.a", "before");
    expect(await heard(page)).toMatchObject({ data: "before" });
    await node.carillon.stop();
    const next = await startNode({ ...ANY, vhosts: VHOSTS, http });
    expect(await heard(page)).toMatchObject({
      event: "carillon.close",
      data: '{"code":1012,"reason":"service restart, retry after 1-10 s"}',
    });
    expect(await heard(page)).toMatchObject({ event: "carillon.recovery", data: '{"room.a":"unknown_position"}' });
    await say(next, "room.a", "after");
    expect(await heard(page)).toMatchObject({ data: "after" });
  });

  test("V6: recovers after a restart of the node when NATS stores the messages", async () => {
    const { url } = await startJetStream();
    const http = await keepAddress();
    const here = await startNatsNode(url, {}, { ...ANY, vhosts: VHOSTS, http });
    const there = await startNatsNode(url, {}, { vhosts: VHOSTS });
    const page = await openInPage(here, "/events?topic=room.a&topic=room.b");
    await say(there, "room.a", "before");
    expect(await heard(page)).toMatchObject({ data: "before" });
    await here.carillon.stop();
    await say(there, "room.a", "missed");
    await say(there, "room.b", "missed too");
    await startNatsNode(url, {}, { ...ANY, vhosts: VHOSTS, http });
    expect(await heard(page)).toMatchObject({ event: "carillon.close" });
    const missed = [(await heard(page)).data, (await heard(page)).data];
    expect(missed.toSorted()).toEqual(["missed", "missed too"]);
    await say(there, "room.b", "after");
    expect(await heard(page)).toMatchObject({ data: "after" });
  });
});

/** Disconnects all clients as a backend does. Browsers reconnect. */
async function disconnectAll(node: TestNode): Promise<void> {
  const backend = new TestBackend(node);
  const { connections } = await backend.call(ControlService.method.listConnections, {});
  for (const { id } of connections) {
    await backend.call(ControlService.method.disconnect, { target: { target: { case: "connectionId", value: id } } });
  }
}
