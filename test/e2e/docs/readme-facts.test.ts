import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { DEFAULTS_YAML } from "../../../src/config/defaults.js";
import { packageRoot } from "../../../src/util/package-root.js";
import { readExamples } from "../../support/docs/examples.js";
import { startNode } from "../../support/nodes/node.js";
import { runCarillon } from "../../support/nodes/process.js";

/** README.md's tables and links against what they speak of. */

const README = readFileSync(join(packageRoot, "README.md"), "utf8");
const DEFAULTS = parse(DEFAULTS_YAML) as { http: string; grpc: string; limits: Record<string, unknown> };

test("the table of metrics has what /metrics has", async () => {
  const node = await startNode();
  const metrics = await (await fetch(`${node.http}/metrics`)).text();
  const there = [...metrics.matchAll(/^# TYPE (carillon_\w+)/gm)].map(([, name]) => name);
  const told = [...README.matchAll(/`(carillon_\w+)`/g)].map(([, name]) => name);
  expect(told.toSorted()).toEqual(there.toSorted());
});

test("the table of limits has every limit with its default", () => {
  const told = [...section("Operate it").matchAll(/^\| `(\w+)` \| (\w+) \| /gm)].map(([, key, value]) => [key, value]);
  expect(told).toEqual(Object.entries(DEFAULTS.limits).map(([key, value]) => [key, String(value)]));
});

test("the table of ports has the defaults", () => {
  const told = [...section("Operate it").matchAll(/^\| `(http|grpc)` \| ([\d.:]+) \|/gm)].map(([, key, value]) => [
    key,
    value,
  ]);
  expect(told).toEqual([
    ["http", DEFAULTS.http],
    ["grpc", DEFAULTS.grpc],
  ]);
});

test("the table of commands has every command with its options", async () => {
  const rows = [...section("Command line").matchAll(/^\| `carillon ([a-z]+(?: [a-z]+)*)[^|]*\|(.*)\|$/gm)];
  const told = rows.map(([, command, text = ""]) => [command, optionsIn(text)]);
  expect(told).toEqual(await commandsOf([]));
});

/** Groups tests that need a checkout of git. */
const inCheckout = existsSync(join(packageRoot, ".git")) ? describe : describe.skip;

inCheckout("in a checkout", () => {
  test("git and the linters ignore the files that the examples leave in a checkout", () => {
    const named = readExamples(README).examples.flatMap(({ file }) => file ?? []);
    const written = [...README.matchAll(/(?:cat >|[^<]>) ([\w.]+)(?: <<EOF)?$/gm)].map(([, name = ""]) => name);
    const files = [...named, ...written, "generated/", "state/"];
    expect(files).toEqual(expect.arrayContaining(["ann.mjs", "shop.key", "shop.yaml"]));
    const { stdout } = spawnSync("git", ["check-ignore", "--no-index", ...files], {
      cwd: packageRoot,
      encoding: "utf8",
    });
    expect(stdout.trimEnd().split("\n")).toEqual(files);
  });
});

/** Every command with its options, groups of commands by what is in them. */
async function commandsOf(command: readonly string[]): Promise<unknown[]> {
  const { stdout } = await runCarillon([...command, "--help"]);
  const [, listed] = stdout.split("Commands:\n");
  if (listed === undefined) return [[command.join(" "), optionsIn(stdout.replaceAll(/^ {6,}.*$/gm, ""))]];
  const names = [...listed.matchAll(/^ {2}(\w+) /gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
  const all = await Promise.all(names.map((name) => commandsOf([...command, name])));
  return all.flat();
}

test("the exit codes are those of --help", async () => {
  const { stdout } = await runCarillon(["--help"]);
  const told = /^Exit codes: .*$/m.exec(README)?.[0];
  expect(told).toBeDefined();
  expect(stdout).toContain(told);
});

test("links lead somewhere", () => {
  const files = [...README.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, file = ""]) => file);
  expect(files.filter((file) => !existsSync(join(packageRoot, file)))).toEqual([]);
});

function section(title: string): string {
  return README.split(/^## /m).find((text) => text.startsWith(title)) ?? "";
}

function optionsIn(text: string): string[] {
  const options = [...text.matchAll(/--[a-z-]+/g)].map(([option]) => option);
  return [...new Set(options)].filter((option) => option !== "--help").toSorted();
}
