import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { createClient } from "../../client/src/index.js";
import { useConnection, usePresence, useTopic } from "../../client/src/react.js";
import { createTestServer } from "../../client/src/testing/index.js";
import { bundleProgram } from "../support/client-library/bundle.js";
import { startNodeWorld } from "../support/client-library/world.js";
import { inBrowser, NO_SERVER, openPage } from "../support/clients/browser.js";
import { startSite } from "../support/clients/site.js";

/** Opens the page of a room that has a stored message. */
async function open() {
  const world = await startNodeWorld();
  await world.publish("room", "stored");
  const site = await startSite(await bundleProgram("react-page"));
  const shown = await openPage(site, {
    path: `?ws=${encodeURIComponent(world.url)}`,
    expected: new RegExp(`${NO_SERVER.source}|Download the React DevTools|ERR_EMPTY_RESPONSE|WebSocket connection to`),
  });
  return { world, shown };
}

inBrowser("React", () => {
  test("joins once in StrictMode, which mounts twice, and shows state, messages and members", async () => {
    const { shown, world } = await open();
    await shown.says("status", /^connected$/);
    await shown.says("state", /^stored$/);
    await shown.says("count", /^1$/);
    await world.publish("room", "one");
    await world.publish("room", "two");
    await world.publish("room", "three");
    await shown.says("messages", /^two,three$/);
    await shown.page.getByTestId("publish").click();
    await shown.says("messages", /^three,from the page$/);
    const commands = (name: string, topic: string) =>
      shown.sent.filter((text) => text.includes(`"command":"${name}"`) && text.includes(`"${topic}"`)).length;
    expect([commands("join", "room"), commands("leave", "room"), commands("leave", "members")]).toEqual([1, 0, 0]);
  });

  test("recovers, and shows what was missed", async () => {
    const { shown, world } = await open();
    await shown.says("state", /^stored$/);
    await world.publish("room", "one");
    await shown.says("messages", /^one$/);
    world.shut();
    await shown.says("status", /^(?:waiting|connecting)$/);
    await world.publish("room", "missed");
    world.open();
    await shown.says("messages", /^one,missed$/);
    await shown.says("joined", /^true$/);
    expect(await shown.page.getByTestId("state").textContent()).toBe("stored");
  });

  test("leaves with the last component, and starts anew with the next one", async () => {
    const { shown, world } = await open();
    await shown.says("state", /^stored$/);
    await shown.page.getByTestId("toggle").click();
    await shown.page.getByTestId("status").waitFor({ state: "detached" });
    while (!shown.sent.some((text) => text.includes('"command":"leave"') && text.includes('"room"'))) {
      await shown.page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
    }
    await world.publish("room", "in between");
    await shown.page.getByTestId("toggle").click();
    await shown.says("state", /^stored,in between$/);
    expect(await shown.page.getByTestId("messages").textContent()).toBe("");
  });
});

test("renders on a server without a connection", () => {
  const server = createTestServer();
  const client = createClient(server.url, { webSocket: server.webSocket });
  function Room() {
    const { status } = useConnection(client);
    const { messages } = useTopic(client, "room");
    const { count } = usePresence(client, "room");
    return createElement("p", null, `${status} ${messages.length} ${count}`);
  }
  expect(renderToString(createElement(Room))).toBe("<p>closed 0 0</p>");
  expect(client.state).toEqual({ status: "closed" });
  expect(client.subscriptions.find("room")).toBeUndefined();
});
