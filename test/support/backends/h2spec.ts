import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../temporary-files.js";

const program = process.env["H2SPEC"];
const missing = process.env["H2SPEC_MISSING"] ?? (program === undefined ? "H2SPEC names no program" : undefined);

/** Groups tests that need h2spec. Without it they are skipped, and the group's title says why. */
export function ifH2spec(title: string, tests: () => void): void {
  const group = missing === undefined ? describe : describe.skip;
  group(missing === undefined ? title : `${title} (skipped: ${missing})`, tests);
}

export interface H2specCase {
  /** Section and title, such as `http2/6.7: Sends a PING frame`. */
  readonly name: string;
  readonly result: "passed" | "failed" | "skipped";
}

/**
 * Runs all cases, also those that the specification only recommends, against an address, `HOST:PORT`.
 *
 * @param timeout - for each answer, in seconds. A case that passes does not wait for it
 */
export async function runH2spec(address: string, timeout: number): Promise<H2specCase[]> {
  const { hostname, port } = new URL(`http://${address}`);
  const report = join(temporaryFolder(), "report.xml");
  const args = ["--strict", "--host", hostname, "--port", port, "--timeout", String(timeout), "--junit-report", report];
  await new Promise<void>((resolve, reject) => {
    execFile(program ?? "h2spec", args, { maxBuffer: 10_000_000 }, (error, stdout) => {
      // It exits with 1 if a case fails.
      if (error === null || error.code === 1) resolve();
      else reject(new Error(stdout, { cause: error }));
    });
  });
  return readCases(readFileSync(report, "utf8"));
}

function readCases(xml: string): H2specCase[] {
  return [...xml.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs)].map(
    ([, section, title, body = ""]) => ({
      name: `${section}: ${title}`,
      result: /<(failure|error)/.test(body) ? "failed" : body.includes("<skipped") ? "skipped" : "passed",
    }),
  );
}
