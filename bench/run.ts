import { smoke } from "./smoke.js";

/** A benchmark prints its table itself. With `toy` it runs once at a size that only shows that it works. */
export type Benchmark = (options: { readonly toy: boolean }) => Promise<void>;

const BENCHMARKS: ReadonlyMap<string, Benchmark> = new Map([["smoke", smoke]]);

const [name = "", ...flags] = process.argv.slice(2);
const benchmark = BENCHMARKS.get(name);
if (benchmark === undefined || flags.some((flag) => flag !== "--toy")) {
  process.stderr.write(`usage: npm run bench -- NAME [--toy]\nNAME is one of: ${[...BENCHMARKS.keys()].join(", ")}\n`);
  process.exitCode = 2;
} else {
  await benchmark({ toy: flags.includes("--toy") });
}
