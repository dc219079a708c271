import { FileStore } from "../../../src/store/file.js";
import { systemClock } from "../../../src/util/system-clock.js";

/**
 * Writes until it is killed: each lane counts in an entry of its own and makes and deletes others. Prints what has been
 * answered, so that the test knows what must be there.
 */
const LANES = 8;
/** Makes the file grow so fast that it is rewritten all the time. */
const FILL = "x".repeat(8_000);

const [folder = ""] = process.argv.slice(2);
const store = new FileStore({
  folder,
  clock: systemClock,
  onUp: () => {},
  onDown: say,
  onError: () => {},
});

function say(text: string): void {
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
    say(`${lane} ${count}`);
    await store.delete(`made/${lane}/${count}`);
  }
}

async function main(): Promise<void> {
  await store.start();
  await Promise.all(Array.from({ length: LANES }, (_, lane) => run(lane)));
}

main().catch((error: unknown) => {
  say(`failed: ${String(error)}`);
});
