import { execFile } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "../../../src/util/package-root.js";
import { temporaryFolder } from "../temporary-files.js";

const run = promisify(execFile);

const SETTINGS = {
  compilerOptions: {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: "es2022",
    lib: ["es2023", "dom", "dom.iterable"],
    module: "esnext",
    moduleResolution: "bundler",
    jsx: "react-jsx",
    types: [],
  },
};

/** Writes files, by name and text, into a folder with the installed packages. @returns the folder */
export function writeTypeScriptProject(files: Iterable<readonly [string, string]>): string {
  const folder = temporaryFolder();
  symlinkSync(join(packageRoot, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(SETTINGS));
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
  return folder;
}

/** Returns what the compiler says about a project; "" for nothing. */
export async function findTypeErrors(folder: string): Promise<string> {
  const compiler = join(packageRoot, "node_modules", "typescript", "bin", "tsc");
  const result = await run(process.execPath, [compiler, "-p", folder]).catch((error: { stdout: string }) => error);
  return result.stdout;
}
