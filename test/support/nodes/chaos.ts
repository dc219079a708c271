import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { cleanUp } from "../clean-up.js";

const ROOT = join(__dirname, "../../..");

/** Longest duration of a scenario at toy size, on a busy machine. */
export const CHAOS_TIMEOUT = 600_000;

/** Counts of a scenario that must be 0: the columns of its table. */
const FAULTS = ["lost", "duplicated", "misordered", "falsely recovered", "other faults"];

/** Result of a scenario of the fault suite. */
export interface ChaosOutcome {
  readonly code: number | null;
  /** Cells of its row, by column. */
  readonly row: Readonly<Record<string, string>>;
  /** Counts of faults, by column. */
  readonly faults: Readonly<Record<string, string | undefined>>;
  /** Descriptions of faults. */
  readonly descriptions: readonly string[];
}

/** Runs a scenario at toy size. */
export async function runChaos(name: string): Promise<ChaosOutcome> {
  const child = spawn(process.execPath, ["scripts/chaos.mjs", name, "--toy"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  // The suite ends its own processes when it is told to end.
  cleanUp(async () => {
    child.kill("SIGTERM");
    await closed;
  });
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  const [head = [], , cells = []] = output
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  if (cells.includes("failed")) throw new Error(`${name} has failed: ${errors}`);
  const row = Object.fromEntries(head.map((title, column) => [title, cells[column] ?? ""]));
  const faults = Object.fromEntries(FAULTS.map((title) => [title, row[title]]));
  const descriptions = errors.split("\n").filter((line) => line.startsWith(`${name}: `));
  return { code: code as number | null, row, faults, descriptions };
}

/** Outcome of a scenario without faults. */
export const NO_FAULTS: Omit<ChaosOutcome, "row"> = {
  code: 0,
  descriptions: [],
  faults: Object.fromEntries(FAULTS.map((title) => [title, "0"])),
};
