import { FileStore } from "../../../src/store/file.js";
import { systemClock } from "../../../src/util/system-clock.js";

/**
 * Writes until it is killed: each lane counts in its own entry, and creates and deletes others. Prints each acknowledged
 * count, so that the test knows which entries must exist.
 */
const LANES = 8;
/** Value that makes the file grow fast, so that it is rewritten often. */
const FILL = "x".repeat(8_000);

const [folder = ""] = process.argv.slice(2);
const store = new FileStore({
  folder,
  clock: systemClock,
  onUp: () => {},
  onDown: print,
  onError: () => {},
});

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function run(lane: number): Promise<never> {
  const key = `lane/${lane}`;
  const found = await store.get(key);
  let count = found === undefined ? 0 : Number(found.value.split(" ")[0]);
  let revision = found?.revision ?? (await store.create(key, `0 ${FILL}`));
  for (;;) {
    count += 1;
    await store.create(`made/${lane}/${count}`, "");
    revision = await store.update(key, `${count} ${FILL}`, revision);
    print(`${lane} ${count}`);
    await store.delete(`made/${lane}/${count}`);
  }
}

async function main(): Promise<void> {
  await store.start();
  await Promise.all(Array.from({ length: LANES }, (_, lane) => run(lane)));
}

main().catch((error: unknown) => {
  print(`failed: ${String(error)}`);
});
