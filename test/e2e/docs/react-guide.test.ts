import { join } from "node:path";
import { build } from "esbuild";
import { startNodeWorld } from "../../support/client-library/world.js";
import { inBrowser, NO_SERVER, openPage } from "../../support/clients/browser.js";
import { startSite } from "../../support/clients/site.js";
import { readExamples } from "../../support/docs/examples.js";
import { readPage } from "../../support/docs/pages.js";
import { findTypeErrors, writeTypeScriptProject } from "../../support/docs/type-check.js";

/** Type-checks the components of docs/react.md, and uses them in a browser. */

const FILES = readExamples(readPage("docs/react.md")).examples.filter(({ language }) => language === "tsx");

/** Writes the files of the page with the URL of a node. @returns the folder */
function writeRoom(url: string): string {
  return writeTypeScriptProject(
    FILES.map(({ code, file = "" }) => [file, code.replace("ws://127.0.0.1:8080/ws", url)] as const),
  );
}

test("has components without type errors", async () => {
  expect(FILES.map(({ file }) => file)).toContain("App.tsx");
  expect(await findTypeErrors(writeRoom("ws://127.0.0.1:8080/ws"))).toBe("");
});

inBrowser("the room of the React guide", () => {
  test("shows what is published, keeps what is written offline, and recovers", async () => {
    const world = await startNodeWorld();
    await world.publish("room", '{"text":"stored"}');
    const { outputFiles } = await build({
      entryPoints: [join(writeRoom(world.url), "App.tsx")],
      bundle: true,
      write: false,
      format: "iife",
      jsx: "automatic",
      define: { "process.env.NODE_ENV": '"production"' },
      logLevel: "error",
    });
    // The program runs in the head of the page.
    const script = `addEventListener("DOMContentLoaded", () => {${outputFiles[0]?.text ?? ""}});`;
    const { page } = await openPage(await startSite(script), {
      expected: new RegExp(`${NO_SERVER.source}|ERR_EMPTY_RESPONSE|WebSocket connection to`),
    });
    const posts = page.getByRole("listitem");
    await page.getByText("connected, 1 here").waitFor();
    expect(await posts.allTextContents()).toEqual(["stored"]);
    const send = async (text: string): Promise<void> => {
      await page.getByLabel("Message").fill(text);
      await page.getByRole("button", { name: "Send" }).click();
    };
    await send("hello");
    await posts.nth(1).waitFor();
    world.shut();
    await page.getByText(/^No connection: /).waitFor();
    await send("written offline");
    await world.publish("room", '{"text":"missed"}');
    world.open();
    await posts.nth(3).waitFor();
    expect(await posts.allTextContents()).toEqual(["stored", "hello", "missed", "written offline"]);
  });
});
