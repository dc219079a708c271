import { ExampleRunner, isInstalled } from "../../support/docs/example-runner.js";
import { type Example, patternOf, readExamples } from "../../support/docs/examples.js";
import { docsPages, readPage } from "../../support/docs/pages.js";

/**
 * Runs every example of docs/, page by page and in the order of the page: examples.ts describes the blocks, and
 * example-runner.ts how they are run. A page that does not begin with a node of its
 * own has the node of the quick start.
 */

/** Pages with a test of their own. */
const ELSEWHERE = /^docs\/(?:languages\.md|protocol\/)/;

const QUICK_START = "node dist/src/bin.js serve --try";

for (const path of docsPages()) {
  const { examples, heard } = readExamples(ELSEWHERE.test(path) ? "" : readPage(path));
  if (examples.length === 0) continue;

  describe(path, () => {
    let runner: ExampleRunner;

    beforeAll(async () => {
      runner = new ExampleRunner();
      if (!startsNode(examples)) await runner.startNode(QUICK_START);
    });

    afterAll(() => runner.close());

    for (const example of examples) {
      const [firstLine = ""] = example.code.split("\n");
      const skipped = firstLine.startsWith("curl ") && !isInstalled("curl");
      const run = skipped ? test.skip : test;
      run(`line ${example.line}: ${firstLine}${skipped ? " (skipped: no curl on the PATH)" : ""}`, async () => {
        await expect(runExample(runner, example)).resolves.toBeUndefined();
      });
    }

    if (heard.length === 0) return;
    test("a program in the background prints what the page says", async () => {
      const lines = new RegExp(`^${patternOf(heard.join("\n"))}$`);
      await expect(
        Promise.any([...runner.listeners.values()].map((program) => program.says(lines))),
      ).resolves.toBeDefined();
    });
  });
}

/** Whether a page begins with a node of its own. */
function startsNode(examples: readonly Example[]): boolean {
  const first = examples.find(({ language }) => language !== "yaml");
  return first?.keepsRunning === true && /^nats-server|bin\.js serve/.test(first.code);
}

async function runExample(runner: ExampleRunner, example: Example): Promise<void> {
  const { code, keepsRunning } = example;
  if (!keepsRunning) {
    const printed = await runner.run(example);
    expect(printed.trimEnd()).toMatch(new RegExp(`^${patternOf(runner.real(example.prints ?? ""))}$`));
  } else if (code === "nats-server") {
    await runner.nats.start();
  } else if (code.includes("bin.js serve")) {
    await startNode(runner, example);
  } else if (code.includes("createServer")) {
    await runner.startBackend(example);
  } else {
    await runner.startBackground(example);
  }
}

async function startNode(runner: ExampleRunner, { code }: Example): Promise<void> {
  if (code.includes("--http")) return runner.startSecondNode(code);
  expect(await runner.stopNode()).toBe(0);
  await runner.startNode(code);
}
