import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** Nothing timed is decided here: each benchmark runs once at toy size, so that none rots. */
test.each(["smoke"])(
  "the benchmark %s runs and loses nothing",
  async (name) => {
    const child = spawn(process.execPath, ["scripts/bench.mjs", name, "--toy"], {
      cwd: join(__dirname, "../.."),
      stdio: ["ignore", "pipe", "ignore"],
    });
    const output = await text(child.stdout);
    const rows = output.split("\n").filter((line) => /^\| \d/.test(line));
    expect(rows).toHaveLength(6);
    for (const row of rows) expect(row).toMatch(/\| 0, 0, 0 +\|$/);
  },
  120_000,
);
