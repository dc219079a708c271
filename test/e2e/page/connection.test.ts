import { say } from "../../support/backends/publish.js";
import { inBrowser, NO_SERVER, openPage } from "../../support/clients/browser.js";
import { startNats } from "../../support/nats/server.js";
import { keepAddress } from "../../support/net/kept-address.js";
import { startTcpProxy } from "../../support/net/tcp-proxy.js";
import { startNode } from "../../support/nodes/node.js";

inBrowser("the page's connection", () => {
  test("L7: reconnects when another node replaces one that stopped", async () => {
    const http = await keepAddress();
    const first = await startNode({ http });
    const shown = await openPage(first.http, { hash: "#hello,orders", expected: NO_SERVER });
    await shown.joined("hello", "orders");
    await say(first, "orders", "from the first");
    await shown.payloads(1);

    await first.carillon.stop();
    await shown.inState("reconnecting");
    await shown.says("state", /^Reconnecting in \d+ s$/);
    await shown.says(
      "last-close",
      /^Closed with 1012, the server is restarting: “service restart, retry after 1-10 s”\.$/,
    );
    expect(await shown.topics.evaluateAll((items) => items.map((item) => item.getAttribute("data-status")))).toEqual([
      "joining",
      "joining",
    ]);

    const second = await startNode({ http });
    await shown.inState("connected");
    await shown.joined("hello", "orders");
    await say(second, "orders", "from the second");
    expect(await shown.payloads(2)).toEqual(["from the first", "from the second"]);
    const notes = await shown.frames("note", 3);
    expect(notes.filter((note) => note.startsWith("closed 1012"))).toEqual([
      "closed 1012 service restart, retry after 1-10 s",
    ]);
  });

  test("marks the gap of a lost connection in the list, and shows that it is connected again", async () => {
    const http = await keepAddress();
    const first = await startNode({ http });
    const shown = await openPage(first.http, { expected: NO_SERVER });
    await shown.joined("hello");
    await say(first, "hello", "before");
    await shown.payloads(1);
    await first.carillon.stop();
    await shown.inState("reconnecting");
    const second = await startNode({ http });
    await shown.joined("hello");
    expect(await shown.page.getByTestId("last-close").isHidden()).toBe(true);
    await say(second, "hello", "after");
    await shown.payloads(2);
    const rows = await shown.page.getByTestId("messages").locator("li").allTextContents();
    expect(rows).toEqual([
      expect.stringContaining("after"),
      expect.stringMatching(/Disconnected for [\d,]+ s: messages published in that time are missing\.$/),
      expect.stringContaining("before"),
    ]);
  });

  test("W23: reconnects when the connection is dead without a close", async () => {
    const node = await startNode();
    const proxy = await startTcpProxy(Number(new URL(node.http).port));
    const shown = await openPage(`http://127.0.0.1:${proxy.port}`, { movableClock: true });
    await shown.joined("hello");
    await shown.page.getByTestId("tab-frames").click();
    const frames = shown.page.getByTestId("frames").locator("li");
    await shown.page.clock.fastForward(20_000);
    await frames.filter({ hasText: '{"topic":"@pong"}' }).waitFor();
    // The wait for that answer ends.
    await shown.page.clock.fastForward(8_000);

    proxy.mute();
    await shown.page.clock.fastForward(20_000);
    await frames.filter({ hasText: '{"command":"ping"}' }).nth(1).waitFor();
    await shown.page.clock.fastForward(8_000);
    await frames.filter({ hasText: "closed 1006" }).waitFor();
    await frames.filter({ hasText: "connected to" }).nth(1).waitFor();
    await shown.page.getByTestId("tab-messages").click();
    await shown.joined("hello");
    await say(node, "hello", "back again");
    expect(await shown.payloads(1)).toEqual(["back again"]);
  });

  test("L7: reconnects within half a second at first, and later after up to 30 s", async () => {
    const node = await startNode();
    const shown = await openPage(node.http);
    // The import is text, because a compiled import() would not run in the page.
    const delays = await shown.page.evaluate(`import("/connection.js").then(({ backoffDelay }) =>
      [0, 1, 20].map((failures) => [0, 0.999].map((random) => backoffDelay(failures, () => random))))`);
    expect(delays).toEqual([
      [0, 499.5],
      [0, 999],
      [0, 29_970],
    ]);
  });

  test("retries at once on request", async () => {
    const http = await keepAddress();
    const first = await startNode({ http });
    const shown = await openPage(first.http, { expected: NO_SERVER });
    await shown.joined("hello");
    await first.carillon.stop();
    await shown.inState("reconnecting");
    await startNode({ http });
    // The button has already disappeared if the page was faster.
    await shown.page.evaluate(() => document.getElementById("retry")?.click());
    await shown.joined("hello");
    expect(await shown.page.getByTestId("retry-button").isHidden()).toBe(true);
  });

  test("stays disconnected on request, and keeps its topics for the next connection", async () => {
    const node = await startNode();
    const shown = await openPage(node.http, { hash: "#hello,orders" });
    await shown.joined("hello", "orders");
    const button = shown.page.getByTestId("connect-button");
    await button.click();
    await shown.inState("disconnected");
    await shown.says("last-close", /^Disconnected by you\.$/);
    await say(node, "orders", "not received");
    await button.click();
    await shown.inState("connected");
    await shown.joined("hello", "orders");
    await say(node, "orders", "sentinel");
    expect(await shown.payloads(1)).toEqual(["sentinel"]);
  });

  test("W7: does not reconnect when the server has closed it for malformed frames", async () => {
    const node = await startNode({ limits: { malformed_frames: 1 } });
    const shown = await openPage(node.http);
    await shown.joined("hello");
    await shown.page.getByTestId("tab-frames").click();
    await shown.page.getByTestId("frame-input").fill("no JSON");
    await shown.page.getByTestId("frame-button").click();
    await shown.inState("disconnected");
    await shown.says("last-close", /^Closed with 1008, refused by policy: “too many malformed frames”\.$/);
    expect(await shown.page.getByTestId("connect-button").textContent()).toBe("Connect");
  });

  test("O9: shows that the broker is disconnected, and joins when it is connected again", async () => {
    const nats = await startNats();
    const node = await startNode({ brokers: { nats: { driver: "nats", servers: [nats.url] } } });
    const shown = await openPage(node.http, { expected: NO_SERVER });
    await shown.joined("hello");

    await nats.kill();
    await shown.join("orders");
    await shown.says("join-result", /^orders: unavailable: broker "nats" .*\(retrying\)$/);
    await shown.publish("hello", "not now");
    await shown.says("publish-result", /^unavailable: broker "nats"/);
    await shown.inState("connected");

    await nats.start();
    await shown.joined("orders");
    await say(node, "orders", "back again");
    await say(node, "hello", "here too");
    expect(await shown.payloads(2)).toEqual(["back again", "here too"]);
  });
});
