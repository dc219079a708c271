import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of this package, which contains package.json, page/ and proto/, in a checkout and when installed. */
export const packageRoot: string = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

/** Version in package.json. */
export const packageVersion: string = readVersion();

function findPackageRoot(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("carillon: package.json not found");
  return findPackageRoot(parent);
}

function readVersion(): string {
  const content = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
  return content.version;
}
