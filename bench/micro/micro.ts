import { bench, run } from "mitata";
import { CASES } from "./cases.js";

/** Each hot function by itself, for working on it. With `toy` each runs once. */
export async function micro(toy: boolean): Promise<void> {
  if (toy) {
    for (const { run: once } of CASES) once();
    process.stdout.write(`${CASES.length} micro-benchmarks ran once\n`);
    return;
  }
  for (const { name, run: measured } of CASES) bench(name, measured);
  await run();
}
