import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { configReader } from "../../../src/server/config.js";
import { packageRoot } from "../../../src/util/package-root.js";
import { readExamples } from "../../support/docs/examples.js";
import { docsPages, joinLines, readPage, sectionOf } from "../../support/docs/pages.js";
import { startNode } from "../../support/nodes/node.js";
import { runCarillon } from "../../support/nodes/process.js";

/** Compares facts in README.md and docs/ with the program. */

const OPERATING = readPage("docs/operating.md");
const MONITORING = readPage("docs/monitoring.md");
const COMMAND_LINE = readPage("docs/command-line.md");
const PAGES = ["README.md", ...docsPages()];
const DEFAULTS = parse(configReader.writeDefaults()) as {
  http: string;
  grpc: { listen: string };
  limits: Record<string, unknown>;
};

/** Largest README.md, in bytes. */
const README_LIMIT = 12 * 1024;

test("keeps README within 12 KB", () => {
  expect(Buffer.byteLength(readPage("README.md"))).toBeLessThanOrEqual(README_LIMIT);
});

test("states the actual defaults in running text", () => {
  const listed = PAGES.flatMap((page) =>
    [...joinLines(readPage(page)).matchAll(/`([a-z_.]+)` \((\d+) (s|min|KiB|MiB)\)/g)].map(
      ([, path = "", number, unit = ""]) => [path, `${number}${unit === "min" ? "m" : unit}`],
    ),
  );
  expect(listed.length).toBeGreaterThan(3);
  expect(listed).toEqual(listed.map(([path = ""]) => [path, String(defaultOf(path))]));
});

test("states a vhost's actual default limits in docs/operating.md", () => {
  const limits = { commands: defaultOf("vhosts./.limits.commands_per_second"), answers: "4MiB" };
  expect(limits).toEqual({ commands: 2_000, answers: defaultOf("vhosts./.limits.answer_bytes_per_second") });
  expect(joinLines(OPERATING)).toContain("2,000 commands and 4 MiB of answers per second and client");
});

test("lists all metrics of /metrics", async () => {
  const node = await startNode();
  const metrics = await (await fetch(`${node.http}/metrics`)).text();
  const served = [...metrics.matchAll(/^# TYPE (carillon_\w+)/gm)].map(([, name]) => name);
  const rows = MONITORING.matchAll(/^\| (`carillon_[^|]*)\|/gm);
  const listed = [...rows].flatMap(([, names = ""]) =>
    [...names.matchAll(/`(carillon_\w+)`/g)].map(([, name]) => name),
  );
  expect(listed.toSorted()).toEqual(served.toSorted());
});

test("lists every limit with its default", () => {
  const listed = [...tableOf("Limits").matchAll(/^\| `(\w+)` \| (\w+) \| /gm)].map(([, key, value]) => [key, value]);
  expect(listed).toEqual(Object.entries(DEFAULTS.limits).map(([key, value]) => [key, String(value)]));
});

test("lists the default ports", () => {
  const listed = [...tableOf("Ports").matchAll(/^\| `(http|grpc)` \| ([\d.:]+) \|/gm)].map(([, key, value]) => [
    key,
    value,
  ]);
  expect(listed).toEqual([
    ["http", DEFAULTS.http],
    ["grpc", DEFAULTS.grpc.listen],
  ]);
});

test("lists every command with its options", async () => {
  const rows = [...COMMAND_LINE.matchAll(/^\| `carillon ([a-z]+(?: [a-z]+)*)[^|]*\|(.*)\|$/gm)];
  const listed = rows.map(([, command, text = ""]) => [command, optionsIn(text)]);
  expect(listed).toEqual(await commandsOf([]));
});

/** Pages whose examples do not run in a checkout. */
const ELSEWHERE = /^docs\/(?:languages\.md|protocol\/)/;

/** Groups tests that need a git checkout. */
const inCheckout = existsSync(join(packageRoot, ".git")) ? describe : describe.skip;

inCheckout("in a checkout", () => {
  test("ignores the files that examples leave in a checkout, in git and the linters", () => {
    const files = PAGES.filter((page) => !ELSEWHERE.test(page)).flatMap((page) => filesOf(readPage(page)));
    expect(files).toEqual(expect.arrayContaining(["ann.mjs", "shop.key", "shop.yaml"]));
    const { stdout } = spawnSync("git", ["check-ignore", "--no-index", ...files, "generated/", "state/"], {
      cwd: packageRoot,
      encoding: "utf8",
    });
    expect(stdout.trimEnd().split("\n")).toEqual([...files, "generated/", "state/"]);
  });
});

/** Returns the files that a page's examples write, either as named blocks or as output of a command. */
function filesOf(page: string): string[] {
  const { examples } = readExamples(page);
  const named = examples.flatMap(({ file }) => file ?? []);
  const commands = examples.filter(({ language }) => language === "sh").map(({ code }) => code);
  const written = commands.flatMap((code) => [...code.matchAll(/(?:cat >|[^<]>) ([\w.]+)(?= <<EOF|\s|$)/g)]);
  return [...named, ...written.map(([, name = ""]) => name)];
}

/** Returns every command with its options. Commands of a group are listed one by one. */
async function commandsOf(command: readonly string[]): Promise<unknown[]> {
  const { stdout } = await runCarillon([...command, "--help"]);
  const [, listed] = stdout.split("Commands:\n");
  if (listed === undefined) return [[command.join(" "), optionsIn(stdout.replaceAll(/^ {6,}.*$/gm, ""))]];
  const names = [...listed.matchAll(/^ {2}(\w+) /gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
  const all = await Promise.all(names.map((name) => commandsOf([...command, name])));
  return all.flat();
}

test("lists the exit codes of --help", async () => {
  const { stdout } = await runCarillon(["--help"]);
  const listed = /^Exit codes: .*$/m.exec(COMMAND_LINE)?.[0];
  expect(listed).toBeDefined();
  expect(stdout).toContain(listed);
});

/** Reads the first table of a section of docs/operating.md. */
function tableOf(title: string): string {
  return /(?:^\|.*\n)+/m.exec(sectionOf(OPERATING, title))?.[0] ?? "";
}

function defaultOf(path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], DEFAULTS);
}

function optionsIn(text: string): string[] {
  const options = [...text.matchAll(/--[a-z-]+/g)].map(([option]) => option);
  return [...new Set(options)].filter((option) => option !== "--help").toSorted();
}
