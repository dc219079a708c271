import { createInterface } from "node:readline";
import { FileStore } from "../../../src/store/file.js";
import { systemClock } from "../../../src/util/system-clock.js";

/** Does what it is told by lines: `create <key> <size>`, `get <key>`. Prints what came of it, and whether the store is up. */
const [folder = ""] = process.argv.slice(2);

// The system's word for a file that would become too long; without this it ends the process.
process.on("SIGXFSZ", () => {});

const store = new FileStore({
  folder,
  clock: systemClock,
  onUp: () => {
    say("up");
  },
  onDown: () => {
    say("down");
  },
  onError: say,
});

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function obey(line: string): Promise<void> {
  const [what, key = "", size] = line.split(" ");
  try {
    if (what === "create") {
      await store.create(key, "x".repeat(Number(size)));
      say(`created ${key}`);
    } else {
      say(`got ${key} ${(await store.get(key))?.value.length ?? "nothing"}`);
    }
  } catch (error) {
    say(`${key} ${(error as { code: string }).code}`);
  }
}

async function main(): Promise<void> {
  await store.start();
  for await (const line of createInterface({ input: process.stdin })) void obey(line);
}

main().catch((error: unknown) => {
  say(`failed: ${String(error)}`);
});
