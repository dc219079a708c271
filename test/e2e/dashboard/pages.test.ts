import { PASSWORD_HASH } from "../../admin/support.js";
import { WorkStream } from "../../rpc/support/work-stream.js";
import { configuredKey, TestBackend } from "../../support/backends/backend.js";
import { inBrowser, type TestPage } from "../../support/clients/browser.js";
import { connect } from "../../support/clients/native.js";
import { startNatsNode } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";
import { startJetStream } from "../../support/nats/store.js";
import { knowEachOther } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { findBarriers, openSignedIn } from "./support.js";

const VHOSTS = {
  "/": {
    history: { short: { messages: 50, age: "1h" } },
    topics: [
      { match: "room.*", presence: true, history: "short" },
      { match: "secret.*", access: "private" as const },
    ],
  },
  "/shop": {},
};

const READING = { admin: { password_hash: PASSWORD_HASH }, vhosts: VHOSTS };
const ACTING = { admin: { password_hash: PASSWORD_HASH, actions: true }, vhosts: VHOSTS };

/** Opens a page of the dashboard from the page that is shown. */
async function goTo({ page }: TestPage, hash: string): Promise<void> {
  await page.evaluate((address) => {
    location.hash = address;
  }, hash);
}

function rowsOf({ page }: TestPage, testId: string) {
  return page.getByTestId(testId).locator("tbody tr");
}

inBrowser("the dashboard's pages", () => {
  test("find a topic, and show its sessions on both nodes, members, stored and live messages", async () => {
    const server = await startJetStream();
    const asked = await startNatsNode(server.url, {}, READING);
    const other = await startNatsNode(server.url, {}, { vhosts: VHOSTS });
    await knowEachOther([asked, other]);
    for (const node of [asked, other]) {
      const client = await connect(`${node.ws}/ws`);
      await client.ask({ command: "join", topics: ["room.1"], presence: true });
      await client.join("orders");
    }
    const backend = new TestBackend(other);
    for (let count = 1; count <= 25; count += 1) await backend.say("room.1", `stored ${count}`);

    const shown = await openSignedIn(asked, { expected: /status of 400/ });
    await goTo(shown, "#/topics");
    await rowsOf(shown, "topics").nth(1).waitFor();
    expect(await findBarriers(shown)).toEqual([]);
    await shown.page.getByTestId("prefix").fill("room");
    await shown.page.getByTestId("search").click();
    await rowsOf(shown, "topics").nth(1).waitFor({ state: "detached" });
    await rowsOf(shown, "topics")
      .filter({ hasText: /^room\.1\s*nats\s*2\s*25/ })
      .waitFor();
    await shown.page.getByRole("link", { name: "room.1" }).click();

    await shown.says("topic-facts", /Sessions\s*2/);
    await rowsOf(shown, "members").nth(1).waitFor();
    const history = shown.page.getByTestId("history").locator("li");
    await history.nth(19).waitFor();
    expect(await history.first().innerText()).toContain("stored 25");
    await shown.page.getByTestId("older").click();
    await history.nth(24).waitFor();
    expect(await history.last().innerText()).toContain("stored 1");

    await shown.page.getByTestId("tail-toggle").click();
    await shown.says("tail-state", /^Running\.$/);
    await backend.say("room.1", "first live");
    await backend.say("room.1", "<b>second</b> live");
    const tail = shown.page.getByTestId("tail").locator("li");
    await tail.nth(1).waitFor();
    expect(await tail.first().innerText()).toContain("<b>second</b> live");
    await shown.page.getByTestId("tail-filter").fill("FIRST");
    await tail.nth(1).waitFor({ state: "detached" });
    expect(await tail.innerText()).toContain("first live");
    await shown.says("topic-facts", /Sessions\s*3[^]*[\d.]+ messages \/ s/);
    expect(await findBarriers(shown)).toEqual([]);
    await shown.page.getByTestId("tail-toggle").click();
    await shown.says("tail-state", /^Stopped\.$/);
    await shown.says("topic-facts", /Sessions\s*2/);

    await goTo(shown, "#/topics/orders");
    await shown.says("history", /This topic has no history\./);
    await shown.says("presence", /This topic has no presence\./);
    expect(await findBarriers(shown)).toEqual([]);
  });

  test("find connections of both nodes by topic, address and dialect, and disconnect one", async () => {
    const server = await startNats();
    const asked = await startNatsNode(server.url, {}, ACTING);
    const other = await startNatsNode(server.url, {}, { vhosts: VHOSTS });
    await knowEachOther([asked, other]);
    const client = await connect(`${other.ws}/ws`);
    await client.join("orders");
    await connect(`${asked.ws}/ws`);
    const shown = await openSignedIn(asked, { hash: "#/connections" });
    await rowsOf(shown, "connections").nth(1).waitFor();
    expect(await findBarriers(shown)).toEqual([]);
    await shown.page.getByTestId("dialect").selectOption("socketio");
    await shown.page.getByTestId("search").click();
    await shown.says("empty", /^No connected client matches\.$/);
    await shown.page.getByTestId("dialect").selectOption("native");
    await shown.page.getByTestId("topic").fill("orders");
    await shown.page.getByTestId("address").fill("127.");
    await shown.page.getByTestId("search").click();
    await rowsOf(shown, "connections").waitFor();
    await rowsOf(shown, "connections").getByRole("link").click();

    await shown.says("connection-facts", /anonymous[^]*native[^]*127\.0\.0\.1[^]*0 messages/);
    expect(await shown.page.getByTestId("connection-topics").innerText()).toBe("orders");
    expect(await findBarriers(shown)).toEqual([]);
    await shown.page.getByTestId("disconnect").click();
    expect(client.webSocket.readyState).toBe(1);
    await shown.page.getByTestId("disconnect").click();
    expect((await client.closed).code).toBe(4403);
    await shown.says("disconnect-result", /^Disconnected\./);
  });

  test("offer neither disconnecting nor publishing while the dashboard only reads", async () => {
    const node = await startNode(READING);
    await connect(`${node.ws}/ws`);
    const shown = await openSignedIn(node, { hash: "#/connections" });
    await rowsOf(shown, "connections").getByRole("link").click();
    await shown.says("connection-facts", /native/);
    expect(await shown.page.getByTestId("disconnect").count()).toBe(0);
    await goTo(shown, "#/publish/orders");
    await shown.says("read-only", /only reads/);
    expect(await shown.page.getByTestId("publish-button").count()).toBe(0);
    expect(await findBarriers(shown)).toEqual([]);
  });

  test("publish a test message, and show code that does the same", async () => {
    const node = await startNode(ACTING);
    const client = await connect(`${node.ws}/ws`);
    await client.join("orders");
    const shown = await openSignedIn(node, { hash: "#/publish/orders", expected: /status of 400/ });
    await shown.page.getByTestId("publish-event").fill("order.paid");
    await shown.page.getByTestId("publish-payload").fill("it's paid");
    const curl = await shown.page.getByRole("region", { name: "curl", exact: true }).innerText();
    expect(curl).toContain(`"topics":["orders"],"event":"order.paid","text":"it'\\''s paid"`);
    expect(await findBarriers(shown)).toEqual([]);
    await shown.page.getByTestId("publish-button").click();
    await shown.says("publish-result", /^Published \(.+\), id .+\.$/);
    expect(await client.next()).toMatchObject({ topic: "orders", payload: "it's paid" });
    await shown.page.getByTestId("publish-topic").fill("#reserved");
    await shown.page.getByTestId("publish-button").click();
    await shown.says("publish-result", /reserved/);
  });

  test("list workers", async () => {
    const node = await startNode(READING);
    const shown = await openSignedIn(node, { hash: "#/workers" });
    await shown.says("empty", /No workers are connected/);
    const worker = new WorkStream(node.grpc);
    // The name has a character that reverses what follows.
    await worker.hello({ events: ["image.*"], capacity: 3, name: "images\u202e" });
    await rowsOf(shown, "workers").waitFor();
    expect(await rowsOf(shown, "workers").innerText()).toMatch(/^images\\u\{202e\} [^]*image\.\*[^]*0 of 3/);
    expect(await findBarriers(shown)).toEqual([]);
  });

  test("explain decisions, and list keys with their last use", async () => {
    const keys = [configuredKey("backend", { actions: ["publish"], topics: ["orders.*"] })];
    const node = await startNode({ ...READING, vhosts: { ...VHOSTS, "/": { ...VHOSTS["/"], keys } } });
    await new TestBackend(node, { authorization: "Bearer backend" }).say("orders.1", "hello");
    const shown = await openSignedIn(node, { hash: "#/access" });
    await rowsOf(shown, "keys")
      .filter({ hasText: /backend[^]*publish[^]*orders\.\*[^]*(?:now|s ago)/ })
      .waitFor();
    await shown.page.getByTestId("explained-topic").fill("secret.1");
    await shown.page.getByTestId("explain").click();
    await shown.says("verdict", /^Refused: .*"secret\.\*" makes it private/);
    await shown.page.getByTestId("client").selectOption("permissions");
    await shown.page.getByTestId("client-value").fill('{"join":["secret.1"]}');
    await shown.page.getByTestId("explain").click();
    await shown.says("verdict", /^Allowed: /);
    expect(await findBarriers(shown)).toEqual([]);
    await shown.page.getByTestId("client-value").fill("secret.1");
    await shown.page.getByTestId("explain").click();
    await shown.says("verdict", /^expected permissions as JSON/i);
  });

  test("show vhosts with their settings, and switch between them", async () => {
    const node: TestNode = await startNode(READING);
    const client = await connect(`${node.ws}/ws/shop`);
    await client.join("basket");
    const shown = await openSignedIn(node, { hash: "#/vhosts" });
    const vhosts = shown.page.getByTestId("vhosts").locator("section");
    await vhosts.nth(1).waitFor();
    await vhosts.first().locator("summary").click();
    expect(await vhosts.first().locator("pre").innerText()).toContain('"match": "room.*"');
    expect(await findBarriers(shown)).toEqual([]);
    await goTo(shown, "#/topics");
    await shown.says("empty", /No client has joined a topic/);
    await shown.page.getByTestId("vhost").selectOption("/shop");
    await shown.page.getByRole("link", { name: "basket" }).waitFor();
  });

  test("are reached by the keyboard", async () => {
    const node = await startNode(READING);
    const shown = await openSignedIn(node);
    // Focus begins at the top of a page that was just loaded.
    await shown.page.reload();
    await shown.says("state", /^Connected$/);
    await shown.page.locator("body").press("Tab");
    expect(await shown.page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the content");
    await shown.page.keyboard.press("Tab");
    await shown.page.keyboard.press("Tab");
    expect(await shown.page.evaluate(() => document.activeElement?.textContent)).toBe("Topics");
    await shown.page.keyboard.press("Enter");
    await shown.page.getByTestId("prefix").waitFor();
    expect(await shown.page.title()).toBe("Topics – Carillon");
  });
});
