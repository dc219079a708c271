import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../../src/util/package-root.js";
import { ifBrowser, NO_SERVER, startBrowser, stopBrowser, TestPage } from "../../support/clients/browser.js";
import { ExampleRunner, isInstalled } from "../../support/docs/example-runner.js";
import { type Example, patternOf, readExamples } from "../../support/docs/examples.js";

/**
 * Runs every example of README.md in order, unchanged: the built executable, clients in processes of their own, and
 * the page in a browser. Every listener running at the time must receive what an example publishes. examples.ts describes
 * the blocks; example-runner.ts runs them and substitutes ports.
 */

/** Commands that cannot run unchanged, each with its replacement and the reason. */
const INSTEAD: Readonly<Record<string, { readonly command: string; readonly why: string }>> = {
  "npm start": {
    command: "node dist/src/bin.js serve --try",
    why: "without installing and building, which would disturb running tests",
  },
};

const { examples, heard } = readExamples(readFileSync(join(packageRoot, "README.md"), "utf8"));
let runner: ExampleRunner;
let page: TestPage | undefined;
/** The README's listener for browsers, in a browser. */
let snippet: TestPage | undefined;
let starts = 0;
/** Payloads published so far. */
const published: string[] = [];
/** Number of payloads published before each listener was started. */
const publishedBefore: number[] = [];

describe("README.md", () => {
  beforeAll(async () => {
    runner = await ExampleRunner.create();
    await startBrowser();
  });

  afterAll(async () => {
    await stopBrowser();
    await runner.close();
  });

  test("has every command that is replaced, and one example that publishes each expected message", () => {
    expect(examples.map(({ code }) => code)).toEqual(expect.arrayContaining(Object.keys(INSTEAD)));
    expect(heard.map((line) => examples.filter((example) => publishes(example, line)).length)).toEqual(
      heard.map(() => 1),
    );
  });

  for (const example of examples) {
    const [firstLine = ""] = example.code.split("\n");
    const { command, why } = INSTEAD[example.code] ?? { command: example.code };
    const missing = firstLine.startsWith("curl ") && !isInstalled("curl") ? " (skipped: no curl on the PATH)" : "";
    const group = missing === "" ? describe : describe.skip;
    group(`line ${example.line}, ${firstLine}${why === undefined ? "" : ` (${why})`}${missing}`, () => {
      if (command.includes("bin.js serve")) startTests(example, command);
      else if (example.keepsRunning) listenTests(example);
      else runTests(example);
      const line = heard.find((candidate) => publishes(example, candidate));
      if (line !== undefined) hearTests(line);
    });
  }

  test("prints exactly the published messages in order, in carillon listen and the listener for browsers", () => {
    const [listen, script] = [...runner.listeners.values()].map(({ stdout }) => stdout.trimEnd().split("\n"));
    expect(listen).toEqual(published.slice(publishedBefore[0]));
    expect(script?.filter((line) => line.startsWith("hello: "))).toEqual(
      published.slice(publishedBefore[1]).map((line) => `hello: ${line}`),
    );
  });

  ifBrowser("the browser", () => {
    test("reports no problems except for the stopped node", async () => {
      expect(await page?.close(NO_SERVER)).toEqual([]);
      // /healthz has no icon, which browsers request.
      expect(await snippet?.close(new RegExp(`${NO_SERVER.source}|status of 404`))).toEqual([]);
    });
  });
});

function startTests({ prints = "" }: Example, command: string): void {
  test("stops the earlier node with 0 on Ctrl+C", async () => {
    expect(await runner.stopNode()).toBe(0);
    if (page !== undefined) await page.inState("reconnecting");
  });

  test("starts, prints what the page says, and lets the listeners reconnect", async () => {
    const node = await runner.startNode(command);
    await runner.joinHello();
    await expect(node.says(new RegExp(patternOf(runner.real(prints))))).resolves.toBeDefined();
  });

  ifBrowser("the page", () => {
    test("joins hello", async () => {
      page ??= await TestPage.open(runner.http);
      await page.joined("hello");
      starts += 1;
      // At the first start there is no listener yet.
      await snippet?.hasLogged("joined hello", starts);
      expect(await page.topicNames()).toEqual(["hello"]);
    });
  });
}

function listenTests(example: Example): void {
  test("joins", async () => {
    publishedBefore.push(published.length);
    await runner.startListener(example);
    expect(runner.listeners.size).toBe(publishedBefore.length);
  });
  if (example.language !== "js") return;
  ifBrowser("in a browser", () => {
    test("joins", async () => {
      // Any address of the node will do: the node refuses pages of other origins by default.
      snippet = await TestPage.open(`${runner.http}/healthz`);
      await snippet.page.evaluate(runner.real(example.code));
      await snippet.hasLogged("joined hello");
      expect(snippet.logs).toEqual(["joined hello"]);
    });
  });
}

function runTests(example: Example): void {
  test("runs, and prints what the page says", async () => {
    const printed = await runner.run(example);
    expect(printed.trimEnd()).toMatch(new RegExp(`^${patternOf(runner.real(example.prints ?? ""))}$`));
  });
}

function hearTests(line: string): void {
  test("W4: delivers the message to a plain WebSocket client, byte for byte", async () => {
    published.push(line);
    expect(await runner.client.nextText()).toBe(JSON.stringify({ topic: "hello", payload: line }));
  });

  test("prints the message in the listeners started above", async () => {
    for (const listener of runner.listeners.values())
      await listener.says(new RegExp(`^(?:hello: )?${patternOf(line)}$`));
    expect(runner.listeners.size).toBe(publishedBefore.length);
  });

  ifBrowser("the page", () => {
    test("shows the message", async () => {
      expect(await page?.payloads(published.length)).toEqual(published);
      await snippet?.hasLogged(`hello: ${line}`);
    });
  });
}

function publishes({ code, keepsRunning }: Example, line: string): boolean {
  return !keepsRunning && [line, Buffer.from(line).toString("base64")].some((text) => code.includes(text));
}
