import { join } from "node:path";
import { FileStore } from "../../../src/store/file.js";
import { ignore } from "../../../src/util/ignore.js";
import { cleanUp } from "../clean-up.js";
import { ManualClock } from "../manual-clock.js";

interface TestStore {
  readonly store: FileStore;
  readonly errors: string[];
}

/** Creates a store in this folder without starting it. Stops it after the test. */
export function createStore(folder: string, clock = new ManualClock()): TestStore {
  const errors: string[] = [];
  const store = new FileStore({
    folder,
    clock,
    onUp: ignore,
    onDown: ignore,
    onError: (message) => errors.push(message),
  });
  cleanUp(() => store.stop());
  return { store, errors };
}

/** Creates and starts a store in this folder. Stops it after the test. */
export async function openStore(folder: string, clock = new ManualClock()): Promise<TestStore> {
  const made = createStore(folder, clock);
  await made.store.start();
  return made;
}

/** The file that holds the store's entries. */
export function fileOf(folder: string): string {
  return join(folder, "entries.log");
}
