import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/util/package-root.js";
import { temporaryFile } from "../support/temporary-files.js";

/** Largest exposure that `systemd-analyze security` may report, in tenths: below 2.0 is "OK". */
const MAX_EXPOSED = 19;

const UNIT = join(packageRoot, "deploy", "systemd", "carillon.service");
const text = readFileSync(UNIT, "utf8");

/** Values of a setting, in the order of the file. */
function valuesOf(name: string): readonly string[] {
  return [...text.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value = ""]) => value);
}

test("starts and checks the same program with the same settings", () => {
  const [start = ""] = valuesOf("ExecStart");
  const [check = ""] = valuesOf("ExecStartPost");
  const [runtime, program, , ...options] = start.split(" ");
  expect(program).toMatch(/\/node_modules\/carillon\/dist\/src\/bin\.js$/);
  expect(check.split(" ").slice(0, 2)).toEqual([runtime, program]);
  expect(check).toContain(options.join(" "));
});

test("gives the health check less time than systemd gives the start", () => {
  const wait = Number(/--wait (\d+)s/.exec(valuesOf("ExecStartPost").join(" "))?.[1]);
  expect(wait).toBeGreaterThan(0);
  expect(Number.parseInt(valuesOf("TimeoutStartSec")[0] ?? "", 10)).toBeGreaterThan(wait);
});

const isThere = spawnSync("systemd-analyze", ["--version"]).status === 0;
const withSystemd = isThere ? describe : describe.skip;

withSystemd(`with systemd-analyze${isThere ? "" : " (skipped: it is not installed)"}`, () => {
  test("is a valid unit", () => {
    // The program in the unit need not be installed here.
    const unit = temporaryFile("carillon.service", text.replaceAll("=/usr/bin/node ", `=${process.execPath} `));
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test("is hardened", () => {
    const threshold = `--threshold=${MAX_EXPOSED}`;
    const { status, stdout } = spawnSync("systemd-analyze", ["security", "--offline=true", threshold, UNIT], {
      encoding: "utf8",
    });
    expect(stdout).toContain("Overall exposure level");
    expect(status).toBe(0);
  });
});
