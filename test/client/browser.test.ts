import { bundleProgram } from "../support/client-library/bundle.js";
import { type ClientWorld, startNodeWorld } from "../support/client-library/world.js";
import { inBrowser, NO_SERVER, openPage, type TestPage } from "../support/clients/browser.js";
import { startSite } from "../support/clients/site.js";

const EXPECTED = new RegExp(`${NO_SERVER.source}|ERR_EMPTY_RESPONSE|WebSocket connection to`);

/** Opens a page with a client in the topic `room`, whose messages and states it writes to the console. */
async function openRoom(world: ClientWorld, random: number): Promise<TestPage> {
  const site = await startSite(await bundleProgram("page"));
  const shown = await openPage(site, { movableClock: true, expected: EXPECTED });
  await shown.page.evaluate(`
    const client = (globalThis.client = library.createClient(${JSON.stringify(world.url)}, { random: () => ${random} }));
    const room = client.topic("room");
    client.on("state", ({ status }) => console.log(status));
    room.on("joined", ({ recovered }) => console.log("joined " + recovered));
    room.on("message", ({ data }) => console.log("message " + data));
    globalThis.show = (state) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
      document.dispatchEvent(new Event("visibilitychange"));
    };
  `);
  await shown.hasLogged("joined false");
  // From here on, only the test lets time pass.
  await shown.page.clock.pauseAt((await shown.page.evaluate(() => Date.now())) + 1_000);
  return shown;
}

inBrowser("the client in a page", () => {
  test("recovers after a lost connection", async () => {
    const world = await startNodeWorld();
    const shown = await openRoom(world, 0.5);
    await world.publish("room", "1");
    await shown.hasLogged("message 1");
    world.shut();
    await shown.hasLogged("waiting");
    await world.publish("room", "2");
    world.open();
    await shown.page.clock.runFor(500);
    await shown.hasLogged("joined true");
    await world.publish("room", "3");
    await shown.hasLogged("message 3");
    expect(shown.logs.filter((log) => log.startsWith("message"))).toEqual(["message 1", "message 2", "message 3"]);
  });

  test.each(["visibilitychange", "pageshow", "online"])(
    "probes on %s, and replaces a dead connection",
    async (event) => {
      const world = await startNodeWorld();
      const shown = await openRoom(world, 0);
      const wake = `(${JSON.stringify(event)} === "visibilitychange" ? document : window).dispatchEvent(new Event("${event}"))`;
      const pings = (): number => shown.sent.filter((text) => text.includes('"ping"')).length;
      await shown.page.evaluate(wake);
      // A live connection answers, and stays.
      while (!shown.received.some((text) => text.includes("@pong"))) await shown.page.evaluate("0");
      await shown.page.clock.runFor(5_000);
      expect(shown.logs).not.toContain("waiting");

      world.mute();
      await world.publish("room", "1");
      await shown.page.evaluate(wake);
      expect(pings()).toBe(2);
      await shown.page.clock.runFor(4_999);
      expect(shown.logs).not.toContain("waiting");
      await shown.page.clock.runFor(2);
      await shown.hasLogged("joined true");
      await shown.hasLogged("message 1");
    },
  );

  test("neither loops while it is hidden, nor waits when it is shown", async () => {
    const world = await startNodeWorld();
    const shown = await openRoom(world, 0.5);
    await shown.page.evaluate(`show("hidden")`);
    let attempts = 0;
    shown.page.on("websocket", () => (attempts += 1));
    world.shut();
    await shown.hasLogged("waiting");
    for (let step = 0; step < 20; step += 1) {
      await shown.page.clock.runFor(30_000);
      // An attempt has failed when the client waits again.
      await shown.page.evaluate(`new Promise((resolve) => {
        const check = ({ status }) => { if (status === "waiting") { stop(); resolve(); } };
        const stop = client.on("state", check);
        check(client.state);
      })`);
    }
    expect(attempts).toBeGreaterThan(1);
    expect(attempts).toBeLessThanOrEqual(6);
    world.open();
    await world.publish("room", "1");
    await shown.page.evaluate(`show("visible")`);
    await shown.page.clock.runFor(1_000);
    await shown.hasLogged("joined true");
    await shown.hasLogged("message 1");
  });
});
