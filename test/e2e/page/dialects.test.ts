import { configuredKey } from "../../support/backends/backend.js";
import { publish, say } from "../../support/backends/publish.js";
import { inBrowser, NO_SERVER, openPage, type PageOptions, type TestPage } from "../../support/clients/browser.js";
import { SPEAKING } from "../../support/clients/speakers.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const SECRET = SPEAKING.broadcaster.secret;
const TITLES = ["Native", "Broadcaster", "RootSocket", "WebRocket", "Socket.IO"];
const PATHS = ["/", "/try/broadcaster", "/try/rootsocket", "/try/webrocket", "/try/socketio"];

/** Frames shown for a payload `{"a":1}` with the event `e`, published on `hello` by RPC. */
const SHOWN = {
  broadcaster:
    /^\{"method":"broadcast","params":\{"id":"[^"]+","seq":1,"createTime":"[^"]+","channel":"hello","event":"e","payload":\{"a":1\}\}\}$/,
  rootsocket: /^\{"event":"hello","data":\{"raw":"\{\\"a\\":1\}"\}\}$/,
  webrocket: /^\{"e":\{"a":1,"channel":"hello"\}\}$/,
  socketio: /^42\["e",\{"a":1\}\]$/,
};

type Name = keyof typeof SHOWN;

const NAMES = Object.keys(SHOWN) as Name[];

/** Page of one dialect. */
class DialectPage {
  readonly shown: TestPage;

  constructor(shown: TestPage) {
    this.shown = shown;
  }

  /** Presses the last button of a sample, which sends it, or a named one. */
  async step(name: string, button: "Call" | "Edit" | "Send" = "Send"): Promise<void> {
    await this.shown.page.getByRole("button", { name: `${button}: ${name}`, exact: true }).click();
  }

  /** Waits for a frame that matches; returns all frames of its direction, oldest first. */
  async frame(way: "sent" | "received" | "note", text: RegExp): Promise<string[]> {
    const frames = this.shown.page.locator(`[data-testid="frames"] li[data-way="${way}"] code`);
    await frames.filter({ hasText: text }).first().waitFor();
    return (await frames.allTextContents()).toReversed();
  }

  async fill(field: string, value: string): Promise<void> {
    await this.shown.page.getByTestId(field).fill(value);
  }

  async press(button: string): Promise<void> {
    await this.shown.page.getByTestId(button).click();
  }

  /** Connects and subscribes to the channel, which the answer to a later frame confirms. */
  async subscribe(name: Name): Promise<void> {
    await this.shown.inState("connected");
    if (name === "broadcaster") {
      await this.fill("secret", SECRET);
      await this.step("Authenticate");
      await this.step("Subscribe");
      await this.frame("received", /"subscriptionId"/);
    } else if (name === "rootsocket") {
      await this.step("Subscribe");
      await this.frame("sent", /"subscription-add"/);
      await this.step("Ping");
      await this.frame("received", /"pong"/);
    } else if (name === "webrocket") {
      await this.step("Open the channel", "Call");
      await this.frame("note", /"opened":true/);
      await this.step("Subscribe");
      await this.frame("received", /":subscribed"/);
    } else {
      await this.frame("received", /^40/);
      await this.step("Join");
      await this.frame("received", /^431\[\{"ok":true\}\]$/);
    }
  }

  async publish(payload: string, event = ""): Promise<void> {
    await this.fill("publish-event", event);
    await this.fill("publish-payload", payload);
    await this.press("publish-button");
  }
}

async function openDialect(node: TestNode, name: Name, options: PageOptions = {}): Promise<DialectPage> {
  return new DialectPage(await openPage(node.http, { path: `try/${name}`, ...options }));
}

inBrowser("the pages of the dialects", () => {
  test.each(NAMES)("%s: connects, subscribes, and shows raw frames byte for byte", async (name) => {
    // Only Broadcaster needs configuration.
    const node = await startNode(
      name === "broadcaster" ? { vhosts: { "/": { broadcaster: { secret: SECRET } } } } : {},
    );
    const page = await openDialect(node, name);
    await page.subscribe(name);
    await page.publish('{"a":1}', "e");
    await page.shown.says("publish-result", /^Published: flushed · \d+ ms · id \S+$/);
    const received = await page.frame("received", SHOWN[name]);
    expect(received).toEqual(page.shown.received);
    expect(received.at(-1)).toMatch(SHOWN[name]);
    await say(node, "hello", "from a backend");
    const after = await page.frame("received", /from a backend/);
    expect(after).toEqual(page.shown.received);
    expect(after).toHaveLength(received.length + 1);
    const sent = page.shown.page.locator('[data-testid="frames"] li[data-way="sent"] code');
    expect((await sent.allTextContents()).toReversed()).toEqual(page.shown.sent);
    await page.shown.says("tally", new RegExp(`^${page.shown.received.length + page.shown.sent.length} frames`));
  });

  test("broadcaster: signs with the typed secret, and shows the reason of a refusal", async () => {
    const node = await startNode({ vhosts: { "/": { broadcaster: { secret: SECRET } } } });
    const page = await openDialect(node, "broadcaster");
    await page.shown.inState("connected");
    await page.step("Heartbeat");
    await page.frame("received", /^\{"requestId":1,"result":\{"timestamp":/);
    await page.step("Authenticate");
    await page.shown.says("send-result", /^Type the secret first/);
    await page.step("Subscribe");
    await page.frame("received", /"code":"Unauthenticated","message":"authentication required"/);
    await page.fill("secret", "another secret");
    await page.step("Authenticate");
    await page.frame("received", /"code":"Unauthenticated","message":"invalid token: .*signature/);
    expect(await page.shown.page.getByTestId("send-result").textContent()).toBe("");
    await page.fill("secret", SECRET);
    await page.step("Authenticate");
    await page.frame("received", /"result":\{"success":true\}/);
    await page.fill("channel", "other");
    await page.step("Subscribe");
    await page.frame("received", /user not authorized to access this channel/);
    await page.fill("channel", "hello");
    await page.step("Subscribe");
    await page.step("Publish");
    const received = await page.frame("received", /"method":"broadcast".*"event":"greeting"/);
    expect(received.at(-1)).toMatch(/"payload":\{"text":"hello"\}/);
  });

  test("rootsocket: asks for a key when keys are required, and does not store it", async () => {
    const key = "carillon_of_the_page";
    const node = await startNode({
      vhosts: {
        "/": { keys: [configuredKey(key, { name: "page", actions: ["tokens", "publish"] })] },
      },
    });
    const page = await openDialect(node, "rootsocket", { expected: /status of 401/ });
    await page.shown.inState("disconnected");
    await page.shown.says("last-close", /^Connection failed: missing key: expected Authorization: KEY$/);
    await page.step("Ping");
    await page.shown.says("send-result", /^Not sent: not connected\.$/);
    await page.publish("x");
    await page.shown.says("publish-result", /^unauthenticated: /);
    await page.fill("key", key);
    await page.press("connect-button");
    await page.subscribe("rootsocket");
    await page.publish("with the key");
    await page.frame("received", /with the key/);
    expect(await page.shown.page.getByTestId("frames").textContent()).not.toContain(key);
    const kept = await page.shown.page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie]));
    expect(kept).toBe('[{},{},""]');
    await page.shown.page.reload();
    expect(await page.shown.page.getByTestId("key").inputValue()).toBe("");
  });

  test("rootsocket: shows errors and the server's close, and reconnects on request", async () => {
    const node = await startNode();
    const page = await openDialect(node, "rootsocket");
    await page.subscribe("rootsocket");
    await page.step("Send a message");
    await page.frame("received", /"detail":"cannot send: .*","where":"hello"/);
    await page.step("Disconnect");
    await page.shown.inState("disconnected");
    await page.shown.says("last-close", /^Closed with 1000/);
    await page.frame("note", /^closed 1000$/);
    await page.press("connect-button");
    await page.shown.inState("connected");
    await page.press("connect-button");
    await page.shown.says("last-close", /^Disconnected by you\.$/);
    expect(await page.shown.page.getByTestId("connect-button").textContent()).toBe("Connect");
  });

  test("webrocket: broadcasts when permitted, and shows the server's refusals", async () => {
    const node = await startNode();
    const page = await openDialect(node, "webrocket");
    await page.frame("received", /^\{":connected":/);
    await page.step("Subscribe");
    await page.frame("received", /^\{":error":\{"code":454,/);
    await page.subscribe("webrocket");
    await page.step("Broadcast");
    await page.frame("received", /^\{":error":\{"code":403,/);
    await page.step("Authenticate");
    await page.frame("received", /^\{":authenticated":\{\}\}$/);
    await page.step("Broadcast");
    await page.frame("received", /^\{"greeting":\{"text":"hello","sid":"[^"]+","channel":"hello"\}\}$/);
    await page.step("Close");
    await page.frame("received", /^\{":closed":/);
    await page.shown.inState("disconnected");
    expect(await page.shown.state.textContent()).toBe("Disconnected");
  });

  test("socketio: answers pings, is elevated, and shows bytes", async () => {
    const node = await startNode({ ping: { interval: "10s", timeout: "9s" } });
    const page = await openDialect(node, "socketio");
    await page.subscribe("socketio");
    await page.step("Request elevation");
    await page.frame("received", /^432\[\{"success":true,/);
    await page.fill("channel", "42");
    await page.step("Spectate");
    await page.frame("received", /^433\[\{"ok":true\}\]$/);
    await publish(node, [{ topics: ["42"], event: "log_pool", payload: Uint8Array.of(0xff, 0, 0x41) }]);
    await page.frame("received", /^451-\["log_pool",/);
    await page.frame("received", /^\(binary frame, 3 bytes\) ff 00 41$/);
    await page.frame("received", /^2$/);
    expect((await page.frame("sent", /^3$/))[0]).toBe("40");
    await page.shown.inState("connected");
  });

  test("shows only the newest connection when connections change quickly", async () => {
    const node = await startNode();
    const page = await openDialect(node, "rootsocket");
    await page.shown.inState("connected");
    let opened = 0;
    page.shown.page.on("websocket", () => opened++);
    await page.shown.page.evaluate(() => {
      for (let press = 0; press < 4; press++) document.getElementById("toggle")?.click();
    });
    await page.subscribe("rootsocket");
    await say(node, "hello", "to the newest");
    await page.frame("received", /to the newest/);
    expect((await page.frame("note", /^connected/)).filter((text) => text.startsWith("connected"))).toHaveLength(2);
    expect(opened).toBe(1);
  });

  test("counts one frame in the singular", async () => {
    const node = await startNode();
    const page = await openDialect(node, "rootsocket");
    await page.subscribe("rootsocket");
    await page.press("clear-button");
    await say(node, "hello", "the only one");
    expect(await page.frame("received", /the only one/)).toHaveLength(1);
    await page.shown.says("tally", /^1 frame(?: ·|$)/);
  });

  test("sends a sample after it was edited", async () => {
    const node = await startNode();
    const page = await openDialect(node, "socketio");
    await page.subscribe("socketio");
    await page.shown.page.getByTestId("channel").press("Enter");
    await page.step("Join", "Edit");
    const editor = page.shown.page.getByTestId("frame-input");
    await expect(editor.inputValue()).resolves.toBe('422["join",{"topics":["hello"]}]');
    await editor.fill('427["join", {"topics":["edited"]}]');
    await editor.press("Enter");
    await page.frame("received", /^437\[\{"ok":true\}\]$/);
    expect(page.shown.sent.at(-1)).toBe('427["join", {"topics":["edited"]}]');
    await say(node, "edited", "heard");
    await page.frame("received", /^42\["message","heard"\]$/);
  });

  test("connects to a typed path and vhost", async () => {
    const vhost = { broadcaster: { secret: SECRET }, client_publish: true };
    const node = await startNode({
      vhosts: { "/": {}, "/shop": vhost },
      broadcaster: { base: "/b" },
      rootsocket: { base: "/r" },
      webrocket: { mount: "/" },
      socketio: { path: "/s/" },
    });
    const paths: [Name, string][] = [
      ["broadcaster", "/b"],
      ["rootsocket", "/r"],
      ["webrocket", "/"],
      ["socketio", "/s/"],
    ];
    for (const [name, path] of paths) {
      const page = await openDialect(node, name, { expected: /status of 404|Unexpected response code/ });
      await page.shown.inState("disconnected");
      await page.shown.says("last-close", /^Connection failed: /);
      if (await page.shown.page.getByTestId("path").isHidden()) await page.press("address-toggle");
      await page.fill("path", path);
      await page.fill("vhost", "/shop");
      if (name !== "socketio") await page.shown.says("configuration", /\/shop:/);
      await page.press("connect-button");
      if (name === "socketio") {
        await page.frame("received", /^40\/shop,/);
        await page.step("Join");
        await page.frame("received", /^43\/shop,1\[\{"ok":true\}\]$/);
      } else await page.subscribe(name);
      await say(node, "hello", "not for the shop");
      await page.publish("for the shop");
      expect((await page.frame("received", /for the shop/)).join()).not.toContain("not for the shop");
    }
  });

  test("shows that the connection failed when the protocol is not served", async () => {
    const node = await startNode({ dialects: ["native"] });
    for (const name of NAMES) {
      const page = await openDialect(node, name, { expected: /Unexpected response code|status of 404/ });
      await page.shown.says("last-close", /^Connection failed: /);
      expect(await page.shown.state.textContent()).toBe("Disconnected");
    }
  });

  test("shows in the status and the list when the server closes", async () => {
    const node = await startNode();
    const page = await openDialect(node, "webrocket", { expected: NO_SERVER });
    await page.shown.inState("connected");
    await node.carillon.stop();
    await page.shown.says("last-close", /^Closed with 1012, the server is restarting/);
    await page.step("Open the channel", "Call");
    await page.shown.says("send-result", /^The server could not be reached\.$/);
    expect(await page.frame("note", /^closed 1012 service restart, retry after 1-10 s$/)).toHaveLength(2);
  });

  test("renders received data as text", async () => {
    const node = await startNode();
    const hostile = `<img src=/none onerror="alert(1)"><script>alert(2)</script><b data-hostile>bold</b>`;
    const page = await openDialect(node, "socketio", { hash: `#${encodeURIComponent(hostile)},b` });
    expect(await page.shown.page.getByTestId("channel").inputValue()).toBe(hostile);
    await page.fill("channel", "hello");
    await page.subscribe("socketio");
    await publish(node, [{ topics: ["hello"], payload: hostile, event: "<i>event</i>" }]);
    await page.frame("received", /data-hostile/);
    expect(await page.shown.page.locator("b, i, u, [data-hostile], body script, main img").count()).toBe(0);
  });
});

inBrowser("all pages", () => {
  test("link to each other, and mark the current page", async () => {
    const node = await startNode();
    const { page } = await openPage(node.http);
    const links = page.getByRole("navigation", { name: "Protocols" }).getByRole("link");
    for (const [at, path] of PATHS.entries()) {
      await links.nth(at).click();
      await page.waitForURL((url) => url.pathname === path);
      await page.locator('[data-testid="state"][data-state="connected"]').waitFor();
      expect(await links.allTextContents()).toEqual(TITLES);
      expect(await page.locator(".protocols [aria-current=page]").allTextContents()).toEqual([TITLES[at]]);
      expect(await page.title()).toBe(at === 0 ? "Carillon" : `${TITLES[at] ?? ""} · Carillon`);
    }
  });

  test("fit a narrow screen, and name all inputs and buttons", async () => {
    const node = await startNode();
    const { page } = await openPage(node.http);
    await page.setViewportSize({ width: 360, height: 780 });
    for (const path of PATHS) {
      await page.goto(node.http + path);
      await page.locator('[data-testid="state"][data-state="connected"]').waitFor();
      for (const details of await page.locator("details").all())
        await details.evaluate((it) => it.setAttribute("open", ""));
      expect([path, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([path, 360]);
      const unnamed = await page.evaluate(() =>
        [...document.querySelectorAll<HTMLInputElement>("input, textarea, button")]
          .filter((it) => !(it.labels?.length || it.textContent?.trim() || it.getAttribute("aria-label")))
          .map((it) => it.outerHTML),
      );
      expect(unnamed).toEqual([]);
    }
  });
});
