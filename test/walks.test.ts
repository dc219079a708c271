import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A line such as "3. `core/hub.ts` → `Hub.join`, called by `commands/join-topics.ts`: what it does". */
const STEP =
  /^\d+\. `(?<file>[\w/-]+\.ts)` → `(?:(?<owner>\w+)\.)?(?<name>#?\w+)`(?:, called by `(?<caller>[\w/-]+\.ts)`)?/;

interface Step {
  readonly file: string;
  /** The class of a method; undefined for a function. */
  readonly owner: string | undefined;
  readonly name: string;
  /** The file that calls it, where that is not the file of the step before it. */
  readonly caller: string | undefined;
}

const root = join(__dirname, "..");
const walks = readWalks(readFileSync(join(root, "docs/walks.md"), "utf8"));

function readWalks(page: string): ReadonlyMap<string, readonly Step[]> {
  const found = new Map<string, readonly Step[]>();
  for (const [, title = "", lines = ""] of page.matchAll(/^\*\*(.+?)\*\*[^\n]*\n\n((?:\d+\. .*\n)+)/gm)) {
    found.set(title, lines.trim().split("\n").map(readStep));
  }
  return found;
}

function readStep(line: string): Step {
  const { caller, file, name, owner } = STEP.exec(line)?.groups ?? {};
  if (file === undefined || name === undefined) throw new Error(`not a step: ${line}`);
  return { file, owner, name, caller };
}

function read(file: string): string {
  return readFileSync(join(root, "src", file), "utf8");
}

function declares(text: string, { name, owner }: Step): boolean {
  if (owner === undefined) return new RegExp(`^export (async )?function ${name}[(<]`, "m").test(text);
  return (
    new RegExp(`^export (abstract )?class ${owner}\\b`, "m").test(text) &&
    new RegExp(`^  (protected |async )*${name}[(<]`, "m").test(text)
  );
}

test("the page walks through a publish, a join, a recovery, a connect, a call and a gRPC request", () => {
  expect([...walks.keys()]).toEqual(["A publish", "A join", "A recovery", "A connect", "A call", "A gRPC request"]);
});

describe.each([...walks])("%s", (_title, steps) => {
  test("names files and functions that exist", () => {
    expect(steps.filter((step) => !declares(read(step.file), step))).toEqual([]);
  });

  test("links each step to the file that calls it", () => {
    const unlinked = steps.filter(({ caller, name }, position) => {
      const from = caller ?? steps[position - 1]?.file;
      return from !== undefined && !new RegExp(`\\b${name.replace("#", "")}\\(`).test(read(from));
    });
    expect(unlinked).toEqual([]);
  });

  test("turns back to an earlier file at most once, and never through the composition root", () => {
    expect(steps.filter(({ caller }) => caller !== undefined).length).toBeLessThanOrEqual(1);
    const files = steps.flatMap(({ caller, file }) => [file, caller ?? file]);
    expect(files.filter((file) => file.startsWith("server/"))).toEqual([]);
  });
});

test.each([...walks].map(([title, steps]) => [title, steps.filter(({ file }) => file.includes("dispatch")).length]))(
  "%s crosses the dispatch at most once",
  (_title, crossings) => {
    expect(crossings).toBeLessThanOrEqual(1);
  },
);
