import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { BackendClient } from "../../../src/outbound/backend/backend-client.js";
import { publish, say } from "../../support/backends/publish.js";
import { cleanUp } from "../../support/clean-up.js";
import { inBrowser, openPage } from "../../support/clients/browser.js";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";

inBrowser("the page", () => {
  test("connects and joins hello at the first visit", async () => {
    const node = await startNode();
    const shown = await openPage(node.http);
    await shown.inState("connected");
    await shown.joined("hello");
    expect(await shown.state.textContent()).toBe("Connected");
    expect(await shown.topicNames()).toEqual(["hello"]);
    expect(shown.page.url()).toBe(`${node.http}/#hello`);
  });

  test("shows messages published by Connect, gRPC and its own form, in that order", async () => {
    const node = await startNode();
    const shown = await openPage(node.http);
    await shown.joined("hello");
    await say(node, "hello", "by Connect ✓");

    const client = new BackendClient({ url: `grpc://${node.grpc}`, key: undefined, vhost: undefined, ca: undefined });
    cleanUp(() => client.close());
    const message = { topics: ["hello"], payload: Buffer.from('{"by": "gRPC"}'), event: "order.paid" };
    await client.call(BroadcastService.method.publish, { messages: [message] });

    await shown.publish("hello", "by the form ✓\nin two lines", "order.sent");
    await shown.says("publish-result", /^Published: flushed · \d+ ms · id \S+$/);

    expect(await shown.payloads(3)).toEqual(["by Connect ✓", '{"by": "gRPC"}', "by the form ✓\nin two lines"]);
    expect((await shown.messages.locator(".event").allTextContents()).toReversed()).toEqual([
      "order.paid",
      "order.sent",
    ]);
    expect(await shown.topics.locator(".count").allTextContents()).toEqual(["3"]);
    await shown.says("tally", /3 received/);
  });

  test("W4, W10: shows raw frames byte for byte", async () => {
    const node = await startNode();
    const shown = await openPage(node.http);
    await shown.joined("hello");
    const other = await connect(`${node.ws}/ws?meta=1`);
    await other.join("hello");
    const payload = ' two  blanks\ttab "quotes" \\ \u0001 \u2028 – 😀 ';
    await publish(node, [{ topics: ["hello"], payload, event: "e", id: "id-1" }]);

    const frames = await shown.frames("received", 2);
    expect(frames).toEqual(shown.received);
    expect(frames[0]).toBe('{"topic":"@join","payload":["hello"],"id":1}');
    expect(frames[1]).toBe(await other.nextText());
    expect((JSON.parse(frames[1] ?? "") as { payload: string }).payload).toBe(payload);
    expect(await shown.frames("sent", 1)).toEqual(shown.sent);
  });

  test("sends a typed frame unchanged, and shows the answer", async () => {
    const node = await startNode();
    const shown = await openPage(node.http);
    await shown.joined("hello");
    await shown.page.getByTestId("tab-frames").click();
    const typed = '{"command":"join", "topics":["typed"]}';
    await shown.page.getByTestId("frame-input").fill(typed);
    await shown.page.getByTestId("frame-button").click();
    await shown.joined("typed");
    await shown.page.getByTestId("frame-input").fill("no JSON");
    await shown.page.getByTestId("frame-button").click();
    expect((await shown.frames("received", 3))[2]).toMatch(/^\{"topic":"#error",/);
    expect(shown.sent.slice(1)).toEqual([typed, "no JSON"]);
    await shown.inState("connected");
  });

  test("O3: joins and leaves topics, and receives only the remaining ones", async () => {
    const node = await startNode();
    const shown = await openPage(node.http);
    await shown.joined("hello");
    await shown.join("orders, orders.42");
    await shown.joined("orders", "orders.42");
    await say(node, "orders", "first");
    await shown.payloads(1);

    await shown.page.getByTestId("leave-orders").click();
    await shown.page.getByTestId("leave-orders").waitFor({ state: "detached" });
    expect(await shown.topicNames()).toEqual(["hello", "orders.42"]);
    expect(new URL(shown.page.url()).hash).toBe("#hello,orders.42");
    await say(node, "orders", "not received");
    await say(node, "orders.42", "sentinel");
    expect(await shown.payloads(2)).toEqual(["first", "sentinel"]);
  });

  test("W6: shows the reason of a refused join, and keeps its topics", async () => {
    const node = await startNode();
    const shown = await openPage(node.http);
    await shown.joined("hello");
    await shown.join("fine @reserved");
    await shown.says("join-result", /^fine, @reserved: invalid_argument: .*begins with a reserved character/);
    expect(await shown.topicNames()).toEqual(["hello"]);
    await shown.join("fine");
    await shown.joined("hello", "fine");
    expect(await shown.page.getByTestId("join-result").textContent()).toBe("");
  });

  test("E2: shows the reason of a refused publish", async () => {
    const node = await startNode();
    const shown = await openPage(node.http, { expected: /status of 400/ });
    await shown.joined("hello");
    await shown.publish("#reserved", "x");
    await shown.says("publish-result", /begins with/);
    expect(await shown.page.getByTestId("publish-result").textContent()).toBe(
      "invalid_argument: messages[0].topics[0] begins with a reserved character (@, # or $)",
    );
  });

  test("reads topics from its link, and follows changes of the link", async () => {
    const node = await startNode();
    const shown = await openPage(node.http, { hash: "#orders,a%2Cb,caf%C3%A9/1" });
    await shown.joined("orders", "a,b", "café/1");
    expect(await shown.topicNames()).toEqual(["orders", "a,b", "café/1"]);

    const second = await openPage(node.http, { hash: new URL(shown.page.url()).hash });
    await second.joined("orders", "a,b", "café/1");
    expect(second.page.url()).toBe(shown.page.url());

    await second.page.evaluate(() => {
      location.hash = "#orders,new";
    });
    await second.joined("orders", "new");
    await second.page.getByTestId("leave-a,b").waitFor({ state: "detached" });
    await second.page.getByTestId("leave-café/1").waitFor({ state: "detached" });
    expect(await second.topicNames()).toEqual(["orders", "new"]);
  });

  test("renders received data as text", async () => {
    const node = await startNode();
    const shown = await openPage(node.http);
    await shown.joined("hello");
    const hostile = `<img src=/none onerror="alert(1)"><script>alert(2)</script><b data-hostile>bold</b>`;
    await shown.join("<b>topic</b>");
    await shown.joined("<b>topic</b>");
    await publish(node, [{ topics: ["<b>topic</b>"], payload: hostile, event: "<i>event</i>", id: "<u>id</u>" }]);
    expect(await shown.payloads(1)).toEqual([hostile]);
    await shown.messages.locator("summary").click();
    const detail = shown.messages.locator(".detail");
    await detail.waitFor();
    expect(await detail.locator("pre").textContent()).toBe(hostile);
    expect(await detail.locator("dd").allTextContents()).toEqual(
      expect.arrayContaining(["<b>topic</b>", "<i>event</i>", "<u>id</u>"]),
    );
    await shown.frames("received", 3);
    expect(await shown.page.locator("b, i, u, [data-hostile], body script, main img").count()).toBe(0);
  });

  test("W4: marks a payload that is not UTF-8, and shows its bytes", async () => {
    const node = await startNode();
    const shown = await openPage(node.http);
    await shown.joined("hello");
    await publish(node, [{ topics: ["hello"], payload: Uint8Array.of(0xff, 0x00, 0x41, 0x42) }]);
    expect(await shown.payloads(1)).toEqual(["/wBBQg=="]);
    expect(await shown.messages.locator(".payload.base64").count()).toBe(1);
    await shown.messages.locator("summary").click();
    await shown.messages.locator(".detail").waitFor();
    expect(await shown.messages.locator("pre").textContent()).toMatch(/^0000 {2}ff 00 41 42 +\.\.AB$/);
    expect(await shown.messages.locator("dd").allTextContents()).toContain("4 bytes, not UTF-8");
  });

  test("offers code samples that work", async () => {
    const node = await startNode();
    const shown = await openPage(node.http);
    await shown.joined("hello");
    const code = async (name: string) => (await shown.page.getByTestId(`snippet-${name}`).textContent()) ?? "";
    await shown.page.getByTestId("publish-payload").fill("it's “quoted” 😀");
    await shown.page.getByTestId("snippets-toggle").click();

    const answer = shown.logged();
    await shown.page.evaluate(await code("listen"));
    expect(await answer).toEqual({ topic: "@join", payload: ["hello"], id: 1 });
    const message = shown.logged();
    await shown.page.evaluate(`(async () => { ${await code("publish")} })()`);
    expect(await message).toEqual({ topic: "hello", payload: "it's “quoted” 😀" });
    expect(await shown.payloads(1)).toEqual(["it's “quoted” 😀"]);
  });
});
