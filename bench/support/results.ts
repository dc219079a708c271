import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, type } from "node:os";

/** Seen from dist-bench/bench/support/, where this runs. */
const FILE = new URL("../../../bench/RESULTS.md", import.meta.url);

const HEAD = `# Results

Tables of \`npm run bench -- NAME --write\`; each run replaces its own section. Figures are medians over the rounds, with
the least and the most. Figures of two machines, or of two runs, are not to be compared: the ratios of one run are.
`;

/** Puts a benchmark's tables into its section of bench/RESULTS.md. @param order - of the sections */
export function writeResult(name: string, text: string, order: readonly string[]): void {
  const sections = readSections();
  sections.set(name, `${circumstances()}\n\n${text}`);
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

/** What the figures hang on, without the machine's name. */
function circumstances(): string {
  const date = new Date().toISOString().slice(0, 10);
  return `${date}, Node ${process.version}, ${cpus().length} cores, ${type()} ${release()}.`;
}
