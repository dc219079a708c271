import { createInterface } from "node:readline";
import { FileStore } from "../../../src/store/file.js";
import { systemClock } from "../../../src/util/system-clock.js";

/** Runs commands from standard input: `create <key> <size>`, `get <key>`. Prints outcomes, and when the store goes up or down. */
const [folder = ""] = process.argv.slice(2);

// Sent by the system when a file would exceed its size limit; unhandled, it ends the process.
process.on("SIGXFSZ", () => {});

const store = new FileStore({
  folder,
  clock: systemClock,
  onUp: () => {
    print("up");
  },
  onDown: () => {
    print("down");
  },
  onError: print,
});

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function runCommand(line: string): Promise<void> {
  const [command, key = "", size] = line.split(" ");
  try {
    if (command === "create") {
      await store.create(key, "x".repeat(Number(size)));
      print(`created ${key}`);
    } else {
      print(`got ${key} ${(await store.get(key))?.value.length ?? "nothing"}`);
    }
  } catch (error) {
    print(`${key} ${(error as { code: string }).code}`);
  }
}

async function main(): Promise<void> {
  await store.start();
  for await (const line of createInterface({ input: process.stdin })) void runCommand(line);
}

main().catch((error: unknown) => {
  print(`failed: ${String(error)}`);
});
