import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type * as ClientLibrary from "../../../client/src/index.js";

const root = join(__dirname, "../../..");

interface Found {
  readonly folder?: string;
  readonly missing?: string;
}

/** The previous version, built from git's history. */
export interface PreviousVersion {
  /** Its executable. */
  readonly program: string;
  /** Its client library. */
  readonly client: typeof ClientLibrary;
}

/** Groups tests that need the previous version. Without it they are skipped, and the group's title says why. */
export function ifPrevious(title: string, tests: (previous: PreviousVersion) => void): void {
  const { stderr, stdout } = spawnSync(process.execPath, [join(root, "scripts/previous.mjs")], { encoding: "utf8" });
  if (stdout === "") throw new Error(`the previous version cannot be built:\n${stderr}`);
  const { folder, missing } = JSON.parse(stdout) as Found;
  if (folder === undefined) {
    describe.skip(`${title} (skipped: ${missing})`, () => {
      test.todo("with the previous version");
    });
    return;
  }
  const program = join(folder, "dist/src/bin.js");
  const client = require(join(folder, "client/src/index.ts")) as typeof ClientLibrary;
  describe(title, () => {
    tests({ program, client });
  });
}
