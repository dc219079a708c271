import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of this package: where package.json, page/ and proto/ are, in a checkout and when installed. */
export const packageRoot: string = find(dirname(fileURLToPath(import.meta.url)));

/** The version in package.json. */
export const packageVersion: string = readVersion();

function find(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("carillon: package.json not found");
  return find(parent);
}

function readVersion(): string {
  const content = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
  return content.version;
}
