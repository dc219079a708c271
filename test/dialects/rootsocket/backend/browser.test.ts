import { cleanUp } from "../../../support/clean-up.js";
import { inBrowser, TestPage } from "../../../support/clients/browser.js";
import { ask, KEY, startApplication } from "../../../support/clients/rootsocket.js";
import { startSite } from "../../../support/clients/site.js";

inBrowser("rootsocket's browser clients", () => {
  test("S10: lets a page of a configured origin get tokens and subscribe", async () => {
    const site = await startSite();
    const node = await startApplication({ origins: [site] });
    const shown = await TestPage.open(site);
    cleanUp(async () => expect(await shown.close()).toEqual([]));
    const base = `${node.http}/api/v1`;
    await shown.page.evaluate(clientOf, { base, key: KEY });
    await shown.hasLogged("subscribed");
    expect((await ask(node, "messages/", { body: { channel: "test", data: { a: "ü" } } })).status).toBe(201);
    await shown.hasLogged('{"event":"test","data":{"raw":"{\\"a\\":\\"ü\\"}"}}');
  });

  test("S10: refuses a page of another origin", async () => {
    const site = await startSite();
    const node = await startApplication({ origins: ["https://app.example"] });
    const shown = await TestPage.open(site);
    cleanUp(async () => shown.close());
    const outcome = await shown.page.evaluate(
      async ({ key, url }) => {
        try {
          await fetch(url, { method: "POST", headers: { authorization: key } });
          return "answered";
        } catch {
          return "refused";
        }
      },
      { url: `${node.http}/api/v1/connections/`, key: KEY },
    );
    expect(outcome).toBe("refused");
    expect(shown.problems.join()).toContain("CORS policy");
  });
});

/** Runs in the page: connects and subscribes as a client does with its connectionUrl and channelUrl. */
async function clientOf({ base, key }: { readonly base: string; readonly key: string }): Promise<void> {
  const tokenOf = async (path: string, body: object): Promise<string> => {
    const headers = { authorization: key, "content-type": "application/json", "x-requested-with": "client" };
    const answer = await fetch(`${base}/${path}/`, { method: "POST", headers, body: JSON.stringify(body) });
    return ((await answer.json()) as { readonly token: string }).token;
  };
  const connection = await tokenOf("connections", {});
  const auth = await tokenOf("tokens", { category: 1, channel: "test" });
  const webSocket = new WebSocket(`${base.replace("http", "ws")}/ws/${connection}/`);
  webSocket.addEventListener("open", () => {
    webSocket.send(JSON.stringify({ event: "subscription-add", data: { channel: "test", auth } }));
    webSocket.send(JSON.stringify({ event: "ping" }));
  });
  webSocket.addEventListener("message", ({ data }) => {
    // Output of the page for the test.
    // oxlint-disable-next-line no-console
    console.log(data === '{"event":"pong"}' ? "subscribed" : data);
  });
}
