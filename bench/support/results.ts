import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, type } from "node:os";

/** Path from dist-bench/bench/support/, where this file runs. */
const FILE = new URL("../../../bench/RESULTS.md", import.meta.url);

/** Load average when the run began, which shows other work on the machine. */
const [LOAD_BEFORE = 0] = loadavg();

const HEAD = `# Results

Tables of \`npm run bench -- NAME --write\`; each run replaces its own section. Figures are medians over the rounds, with
the minimum and the maximum. Compare the ratios of one run, not the figures of two machines or of two runs.
`;

/** Writes a benchmark's tables to its section of bench/RESULTS.md. @param order - order of the sections */
export function writeResult(name: string, text: string, order: readonly string[]): void {
  const sections = readSections();
  sections.set(name, `${describeEnvironment()}\n\n${text}`);
  const known = [...sections.keys()].toSorted((a, b) => order.indexOf(a) - order.indexOf(b));
  writeFileSync(FILE, [HEAD, ...known.map((each) => `## ${each}\n\n${sections.get(each)}\n`)].join("\n"));
}

function readSections(): Map<string, string> {
  if (!existsSync(FILE)) return new Map();
  const [, ...sections] = readFileSync(FILE, "utf8").split(/^## /m);
  return new Map(
    sections.map((section) => {
      const end = section.indexOf("\n");
      return [section.slice(0, end).trim(), section.slice(end).trim()];
    }),
  );
}

/** Describes the environment of the figures, without the machine's name. */
function describeEnvironment(): string {
  const date = new Date().toISOString().slice(0, 10);
  const load = `load average ${LOAD_BEFORE.toFixed(1)} before the run`;
  return `${date}, Node ${process.version}, ${cpus().length} cores, ${type()} ${release()}, ${load}.`;
}
