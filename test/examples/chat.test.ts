import { join } from "node:path";
import type { Page } from "playwright-core";
import { packageRoot } from "../../src/util/package-root.js";
import { findSmallTargets, findViolations } from "../support/clients/accessibility.js";
import { inBrowser, NO_SERVER, openPage, PHONE } from "../support/clients/browser.js";
import { type RunningExample, startExample } from "../support/examples.js";
import { startCarillon } from "../support/nodes/process.js";

const EXPECTED = new RegExp(`${NO_SERVER.source}|WebSocket connection to`);

/** Opens the chat in a window of its own, and enters with a name. */
async function enter({ url }: RunningExample, name: string, device = {}): Promise<Page> {
  const { page } = await openPage(url, { expected: EXPECTED, device });
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Enter" }).click();
  await isOnline(page);
  return page;
}

function isOnline(page: Page): Promise<void> {
  return page.locator("#connection", { hasText: "Online" }).waitFor();
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

/** Waits until the page shows a message. @returns all messages, as `NAME: TEXT` */
async function hears(page: Page, text: string): Promise<string[]> {
  await page
    .locator("#messages .text", { hasText: new RegExp(`^${text}$`) })
    .first()
    .waitFor();
  return page
    .locator("#messages .entry")
    .evaluateAll((entries) =>
      entries.map((entry) => `${entry.querySelector("b")?.textContent}: ${entry.querySelector(".text")?.textContent}`),
    );
}

inBrowser("the chat example", () => {
  test("lets two windows talk, shows who is here and who is typing, and has the history after a reload", async () => {
    const example = await startExample("chat");
    const ann = await enter(example, "Ann");
    const bob = await enter(example, "Bob: 100 %", PHONE);
    await say(ann, "Hello");
    expect(await hears(bob, "Hello")).toEqual(["Ann: Hello"]);
    await Promise.all([
      ann.locator("#typing", { hasText: "Bob: 100 % is typing" }).waitFor(),
      bob.getByLabel("Message", { exact: true }).fill("Hi"),
    ]);
    await say(bob, "Hi");
    expect(await hears(ann, "Hi")).toEqual(["You: Hello", "Bob: 100 %: Hi"]);
    await ann.locator("#typing:empty").waitFor({ state: "attached" });
    await ann.locator("#members li", { hasText: "Bob" }).waitFor();

    await bob.reload();
    expect(await hears(bob, "Hi")).toEqual(["Ann: Hello", "You: Hi"]);
    await bob.context().close();
    await ann.locator("#members-title", { hasText: "1 person here" }).waitFor();
  });

  test("receives what was said while it was offline", async () => {
    const example = await startExample("chat");
    const [ann, bob] = [await enter(example, "Ann"), await enter(example, "Bob")];
    await ann.getByRole("button", { name: "Go offline" }).click();
    await ann.locator("#connection", { hasText: "Offline" }).waitFor();
    await say(bob, "Are you there?");
    await hears(bob, "Are you there\\?");
    await ann.getByRole("button", { name: "Go online" }).click();
    expect(await hears(ann, "Are you there\\?")).toEqual(["Bob: Are you there?"]);
    await ann.getByText("Back online. Nothing was missed.").waitFor();
  });

  test("loses nothing while its node is restarted on NATS", async () => {
    const example = await startExample("chat", ["--nats"]);
    const [, nats = ""] = await example.program.says(/NATS with JetStream runs at (\S+)/);
    const config = join(packageRoot, "examples/chat/carillon.yaml");
    const other = await startCarillon(["--config", config, "--broker", nats], { folder: packageRoot });
    const [ann, bob] = [await enter(example, "Ann"), await enter(example, "Bob")];
    const expected: string[] = [];
    const publish = async (): Promise<void> => {
      const text = `backend ${expected.length}`;
      const messages = [{ topics: ["room.lobby"], json: { text }, id: `backend:${expected.length}` }];
      const answer = await fetch(`${other.http}/websockets.v1.BroadcastService/Publish`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ messages }),
      });
      expect(await answer.json()).toMatchObject({ ok: true });
      expected.push(`backend: ${text}`);
    };
    await publish();
    await hears(ann, "backend 0");
    const restart = { isDone: false };
    const restarted = example.restart().then(() => {
      restart.isDone = true;
    });
    while (!restart.isDone) await publish();
    await restarted;
    // Bob's message is sent as soon as his page is connected again.
    await say(bob, "I am back");
    for (const page of [ann, bob]) await page.getByText("Back online. Nothing was missed.").waitFor();
    await hears(ann, "I am back");
    await publish();
    const heard = await hears(ann, `backend ${expected.length - 1}`);
    expect(heard.filter((line) => line.startsWith("backend"))).toEqual(expected);
    expect(heard.filter((line) => line === "Bob: I am back")).toHaveLength(1);
  });

  test("says that messages may be missing after its node is restarted without a store, and goes on", async () => {
    const example = await startExample("chat");
    const ann = await enter(example, "Ann");
    await say(ann, "before");
    await hears(ann, "before");
    await example.restart();
    await ann.getByText("Back online. Some messages may be missing.").waitFor();
    await say(ann, "after");
    // The messages before the restart stay on the page, which is the only place that still has them.
    expect(await hears(ann, "after")).toEqual(["You: before", "You: after"]);
  });

  test("refuses a name that nobody can see", async () => {
    const example = await startExample("chat");
    const { page } = await openPage(example.url, { expected: /status of 400/ });
    await page.getByLabel("Your name").fill("\u202E");
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByRole("alert").waitFor();
    expect(await page.getByRole("alert").textContent()).toBe("Please use 1 to 30 characters.");
  });

  test("is accessible on a desktop and on a phone, in light and dark colours", async () => {
    const example = await startExample("chat");
    const { page } = await openPage(example.url, { device: PHONE });
    expect(await findViolations(page)).toEqual([]);
    for (const device of [{}, PHONE]) {
      const ann = await enter(example, "Ann", device);
      await say(ann, "Hello");
      await hears(ann, "Hello");
      expect(await findViolations(ann)).toEqual([]);
      expect(device === PHONE ? await findSmallTargets(ann) : []).toEqual([]);
    }
  });
});
