import { ExampleRunner, isInstalled } from "../../support/docs/example-runner.js";
import { type Example, patternOf, readExamples } from "../../support/docs/examples.js";
import { docsPages, readPage } from "../../support/docs/pages.js";

/**
 * Runs every example of docs/, page by page and in the order of the page. examples.ts describes the blocks, and
 * example-runner.ts runs them. A page that does not start a node of its
 * own uses the node of the quick start.
 */

/** Pages that other test files cover. */
const ELSEWHERE = /^docs\/(?:languages\.md|cluster-setup\.md|protocol\/)/;

const QUICK_START = "node dist/src/bin.js serve --try";

for (const path of docsPages()) {
  const { examples, heard } = readExamples(ELSEWHERE.test(path) ? "" : readPage(path));
  if (examples.length === 0) continue;

  describe(`examples of ${path}`, () => {
    let runner: ExampleRunner;

    beforeAll(async () => {
      runner = await ExampleRunner.create();
      if (!startsNode(examples)) await runner.startNode(QUICK_START);
    });

    afterAll(() => runner.close());

    for (const example of examples) {
      const [firstLine = ""] = example.code.split("\n");
      const skipped = firstLine.startsWith("curl ") && !isInstalled("curl");
      const group = skipped ? describe.skip : describe;
      group(`line ${example.line}: ${firstLine}${skipped ? " (skipped: no curl on the PATH)" : ""}`, () => {
        test("prints the output shown on the page", async () => {
          const printed = await runExample(runner, example);
          expect(printed).toMatch(new RegExp(`^${patternOf(runner.real(example.prints ?? ""))}$`));
        });
      });
    }

    if (heard.length === 0) return;
    test("prints what the page says when run in the background", async () => {
      const lines = new RegExp(`^${patternOf(heard.join("\n"))}$`);
      await expect(
        Promise.any([...runner.listeners.values()].map((program) => program.says(lines))),
      ).resolves.toBeDefined();
    });
  });
}

/** Whether the first example of a page starts a node. */
function startsNode(examples: readonly Example[]): boolean {
  const first = examples.find(({ language }) => language !== "yaml");
  return first?.keepsRunning === true && /^nats-server|bin\.js serve/.test(first.code);
}

/** @returns the output of the example; for a program in the background, as soon as it matches the page */
async function runExample(runner: ExampleRunner, example: Example): Promise<string> {
  const { code, keepsRunning, prints = "" } = example;
  if (!keepsRunning) return (await runner.run(example)).trimEnd();
  if (code === "nats-server") await runner.nats.start();
  else if (code.includes("bin.js serve")) await startNode(runner, code);
  else if (code.includes("createServer")) await runner.startBackend(example);
  else await runner.startBackground(example);
  return runner.real(prints);
}

async function startNode(runner: ExampleRunner, command: string): Promise<void> {
  if (command.includes("--http")) return runner.startSecondNode(command);
  const exitCode = await runner.stopNode();
  if (exitCode !== 0) throw new Error(`the previous node exited with ${exitCode}`);
  await runner.startNode(command);
}
