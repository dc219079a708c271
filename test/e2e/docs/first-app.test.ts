import type { Page } from "playwright-core";
import { inBrowser, NO_SERVER, openPage } from "../../support/clients/browser.js";
import { ExampleRunner } from "../../support/docs/example-runner.js";
import { type Example, readExamples } from "../../support/docs/examples.js";
import { readPage } from "../../support/docs/pages.js";

/** Builds the app of docs/first-app.md, and does in a browser what the page says. */

const { examples } = readExamples(readPage("docs/first-app.md"));

function exampleWith(text: string): Example {
  const found = examples.find(({ code }) => code.includes(text));
  if (found === undefined) throw new Error(`no example with ${text}`);
  return found;
}

async function shows(page: Page, ...texts: readonly string[]): Promise<void> {
  for (const text of texts) await page.getByText(text, { exact: true }).waitFor();
}

inBrowser("the first app", () => {
  let runner: ExampleRunner;

  beforeAll(async () => {
    runner = await ExampleRunner.create();
  });

  afterAll(() => runner.close());

  test("shows votes in all windows, and those during a restart of the node, too", async () => {
    const serve = exampleWith("bin.js serve").code;
    await runner.run(exampleWith("app.yaml"));
    await runner.startNode(serve);
    await runner.startBackend(exampleWith("createServer"));
    await runner.run(exampleWith("<!doctype html>"));
    const site = `http://${runner.real("127.0.0.1:7001")}`;
    const expected = new RegExp(`${NO_SERVER.source}|WebSocket connection to`);
    const [one, other] = [(await openPage(site, { expected })).page, (await openPage(site, { expected })).page];
    for (const page of [one, other]) await shows(page, "tea: 0", "coffee: 0", "connected");
    await one.locator("#tea").click();
    for (const page of [one, other]) await shows(page, "tea: 1");

    expect(await runner.stopNode()).toBe(0);
    for (const page of [one, other]) await page.getByText("waiting", { exact: true }).waitFor();
    await other.locator("#coffee").click();
    await runner.startNode(serve);
    for (const page of [one, other]) await shows(page, "tea: 1", "coffee: 1", "connected");
    await one.locator("#coffee").click();
    for (const page of [one, other]) await shows(page, "coffee: 2");
  });
});
