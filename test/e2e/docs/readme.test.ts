import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../../src/util/package-root.js";
import { ifBrowser, NO_SERVER, startBrowser, stopBrowser, TestPage } from "../../support/clients/browser.js";
import { ExampleRunner, isInstalled } from "../../support/docs/example-runner.js";
import { type Example, patternOf, readExamples } from "../../support/docs/examples.js";

/**
 * Runs every example of README.md, in its order and for real: the built executable, clients in processes of their own,
 * the page in a browser. What an example publishes must be heard by every listener that is running by then. How blocks
 * are read stands in examples.ts, how they are run and where ports are substituted in example-runner.ts.
 */

/** Commands that cannot run as they stand, with the command that runs in their place and the reason. */
const INSTEAD: Readonly<Record<string, { readonly command: string; readonly why: string }>> = {
  "npm start": {
    command: "node dist/src/bin.js serve --try",
    why: "its last step only: it installs and builds first, which is done and must not happen under running tests",
  },
};

const { examples, heard } = readExamples(readFileSync(join(packageRoot, "README.md"), "utf8"));
let runner: ExampleRunner;
let page: TestPage | undefined;
/** The listener that the README has for browsers, in a browser. */
let snippet: TestPage | undefined;
let starts = 0;
/** What listeners should have heard by now, and how much of that was before each of them was started. */
const published: string[] = [];
const before: number[] = [];

describe("README.md", () => {
  beforeAll(async () => {
    runner = new ExampleRunner();
    await startBrowser();
  });

  afterAll(async () => {
    await stopBrowser();
    await runner.close();
  });

  test("what cannot be run is on the page, and what is heard is published by one example each", () => {
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

  test("carillon listen and the listener for browsers have printed just that, in that order", () => {
    const [listen, script] = [...runner.listeners.values()].map(({ stdout }) => stdout.trimEnd().split("\n"));
    expect(listen).toEqual(published.slice(before[0]));
    expect(script?.filter((line) => line.startsWith("hello: "))).toEqual(
      published.slice(before[1]).map((line) => `hello: ${line}`),
    );
  });

  ifBrowser("the browser", () => {
    test("had nothing to complain about but the node that was away", async () => {
      expect(await page?.close(NO_SERVER)).toEqual([]);
      // /healthz has no icon.
      expect(await snippet?.close(new RegExp(`${NO_SERVER.source}|status of 404`))).toEqual([]);
    });
  });
});

function startTests({ prints = "" }: Example, command: string): void {
  test("Ctrl+C ends the node before, with 0", async () => {
    expect(await runner.stopNode()).toBe(0);
    if (page !== undefined) await page.inState("reconnecting");
  });

  test("starts, prints what the page says, and listeners come back", async () => {
    const node = await runner.startNode(command);
    await runner.joinHello();
    await expect(node.says(new RegExp(patternOf(runner.real(prints))))).resolves.toBeDefined();
  });

  ifBrowser("the page", () => {
    test("joins hello", async () => {
      page ??= await TestPage.open(runner.http);
      await page.joined("hello");
      starts += 1;
      // The first time there was none yet.
      await snippet?.hasLogged("joined hello", starts);
      expect(await page.topicNames()).toEqual(["hello"]);
    });
  });
}

function listenTests(example: Example): void {
  test("joins", async () => {
    before.push(published.length);
    await runner.startListener(example);
    expect(runner.listeners.size).toBe(before.length);
  });
  if (example.language !== "js") return;
  ifBrowser("in a browser", () => {
    test("joins", async () => {
      // Any address of the node: a page of another origin would have to be let in first.
      snippet = await TestPage.open(`${runner.http}/healthz`);
      await snippet.page.evaluate(runner.real(example.code));
      await snippet.hasLogged("joined hello");
      expect(snippet.logs).toEqual(["joined hello"]);
    });
  });
}

function runTests(example: Example): void {
  test("runs, and prints what it is said to print", async () => {
    const printed = await runner.run(example);
    expect(printed.trimEnd()).toMatch(new RegExp(`^${patternOf(runner.real(example.prints ?? ""))}$`));
  });
}

function hearTests(line: string): void {
  test("W4: a plain WebSocket client hears it, byte for byte", async () => {
    published.push(line);
    expect(await runner.client.nextText()).toBe(JSON.stringify({ topic: "hello", payload: line }));
  });

  test("the listeners started above print it", async () => {
    for (const listener of runner.listeners.values())
      await listener.says(new RegExp(`^(?:hello: )?${patternOf(line)}$`));
    expect(runner.listeners.size).toBe(before.length);
  });

  ifBrowser("the page", () => {
    test("shows it", async () => {
      expect(await page?.payloads(published.length)).toEqual(published);
      await snippet?.hasLogged(`hello: ${line}`);
    });
  });
}

function publishes({ code, keepsRunning }: Example, line: string): boolean {
  return !keepsRunning && [line, Buffer.from(line).toString("base64")].some((text) => code.includes(text));
}
