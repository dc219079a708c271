import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { cleanUp } from "../support/clean-up.js";
import { temporaryFolder } from "../support/temporary-files.js";

const ROOT = join(__dirname, "../..");

const TWO_RUNS = `
  import { main } from "./scripts/lib/main.mjs";
  import { stress } from "./scripts/lib/stress.mjs";
  await main(async () => {
    process.exitCode = (await stress({ args: [], env: process.env, loops: 1, runs: 2 })) ? 1 : 0;
  });
`;

const PASSING = 'test("holds", () => {});';
const FAILING_SECOND = `
  const { existsSync, writeFileSync } = require("node:fs");
  test("holds once", () => {
    const isFirst = !existsSync("ran");
    writeFileSync("ran", "");
    if (!isFirst) throw new Error("not again");
  });
`;

const LOADED_ONCE = `
  const { existsSync, writeFileSync } = require("node:fs");
  if (existsSync("loaded")) throw new Error("cannot be loaded");
  writeFileSync("loaded", "");
  test("holds", () => {});
`;

/** A checkout with the scripts and the packages, whose tests are the given ones. */
class Checkout {
  readonly folder = temporaryFolder();

  constructor(tests: Readonly<Record<string, string>>) {
    cpSync(join(ROOT, "scripts"), join(this.folder, "scripts"), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(this.folder, "node_modules"));
    writeFileSync(join(this.folder, "two-runs.mjs"), TWO_RUNS);
    writeFileSync(join(this.folder, "jest.config.json"), JSON.stringify({ roots: ["test"], transform: {} }));
    mkdirSync(join(this.folder, "test"));
    for (const [name, code] of Object.entries(tests)) writeFileSync(join(this.folder, "test", `${name}.test.js`), code);
  }

  start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
    const env = { ...process.env, ...environment };
    return spawn(process.execPath, args, { cwd: this.folder, env, stdio: ["ignore", "pipe", "pipe"] });
  }

  async run(...args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const child = this.start(args);
    const [stdout, stderr, [code]] = await Promise.all([
      child.stdout === null ? "" : text(child.stdout),
      child.stderr === null ? "" : text(child.stderr),
      once(child, "close"),
    ]);
    return { code: code as number | null, stdout, stderr };
  }

  /** Paths of the files that were kept, below the folder of the only use of the script. */
  get kept(): string[] {
    const folder = join(this.folder, ".cache/stress");
    return readdirSync(folder).flatMap((use) =>
      readdirSync(join(folder, use)).flatMap((run) =>
        readdirSync(join(folder, use, run)).map((name) => join(folder, use, run, name)),
      ),
    );
  }
}

test("names a test that failed in one of two runs, and a file that cannot be loaded, and keeps the output", async () => {
  const checkout = new Checkout({ passing: PASSING, flaky: FAILING_SECOND, unloadable: LOADED_ONCE });
  const { code, stderr, stdout } = await checkout.run("two-runs.mjs");
  expect(stdout.split("\n").toSorted()).toEqual([
    "",
    "        runs 2: Error: not again",
    "        runs 2: cannot be loaded",
    "1 of 2  test/flaky.test.js › holds once",
    "1 of 2  test/unloadable.test.js",
  ]);
  expect(stderr).toMatch(/run 1 of 2: 3 passed, 0 failed, 0 skipped, \d+ s\n/);
  expect(stderr).toMatch(/run 2 of 2: 1 passed, 2 failed, 0 skipped, \d+ s\n/);
  expect(code).toBe(1);
  const [log = "", results] = checkout.kept;
  expect(log).toMatch(/run-2\/output\.log$/);
  expect(readFileSync(log, "utf8")).toContain("not again");
  expect(results).toMatch(/run-2\/results\.json$/);
});

test("fails when jest finds no tests", async () => {
  const { code, stdout } = await new Checkout({}).run("two-runs.mjs");
  expect(stdout).toMatch(/^2 of 2 {2}jest\n/);
  expect(code).toBe(1);
});

test("succeeds and keeps nothing when no test fails", async () => {
  const checkout = new Checkout({ passing: PASSING });
  const { code, stdout } = await checkout.run("two-runs.mjs");
  expect(stdout).toBe("no failures in 2 runs\n");
  expect(code).toBe(0);
  expect(checkout.kept).toEqual([]);
});

/** Starts the script, and resolves while a test runs that does not end before the clean-up. */
async function startEndless(): Promise<{ child: ChildProcess; loop: number }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const checkout = new Checkout({
    endless: `
      const { connect } = require("node:net");
      const { once } = require("node:events");
      test("waits", () => once(connect(Number(process.env.PORT), "127.0.0.1").resume(), "close"));
    `,
  });
  const child = checkout.start(["two-runs.mjs"], { PORT: String((server.address() as AddressInfo).port) });
  child.stdout?.resume();
  if (child.stderr === null) throw new Error("no output");
  const lines = createInterface({ input: child.stderr });
  const [[line], [socket]] = await Promise.all([once(lines, "line"), once(server, "connection")]);
  cleanUp(() => {
    socket.destroy();
    server.close();
  });
  return { child, loop: Number(/busy loops: (\d+)$/.exec(String(line))?.[1]) };
}

test.each(["SIGTERM", "SIGKILL"] as const)("keeps a core busy while a test runs, and until %s", async (signal) => {
  const { child, loop } = await startEndless();
  expect(process.kill(loop, 0)).toBe(true);
  // The loop holds the script's stderr, so that "close" comes when both have ended.
  const closed = once(child, "close");
  child.kill(signal);
  expect(await closed).toEqual(signal === "SIGTERM" ? [143, null] : [null, "SIGKILL"]);
});

test.each([
  [["--runs", "0"], 'invalid --runs "0": expected an integer of at least 1.'],
  [["--loops", "many"], 'invalid --loops "many": expected an integer of at least 0.'],
  [["--until-green"], "Unknown option '--until-green'"],
])("refuses the arguments %j", async (args, message) => {
  const { code, stderr } = await new Checkout({}).run("scripts/stress.mjs", ...args);
  expect(stderr).toContain(message);
  expect(code).toBe(1);
});
