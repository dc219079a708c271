import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { inRoot } from "./paths.mjs";

/**
 * Hashes the names and contents of files and folders, by their paths from the repository's root; a missing one counts as
 * empty. Modification times are ignored, because a checkout, a copy or a restored cache changes them, and deleting a
 * file does not.
 */
export function digest(paths) {
  const hash = createHash("sha256");
  const add = (path) => {
    const stat = statSync(inRoot(path), { throwIfNoEntry: false });
    if (stat?.isDirectory()) for (const name of readdirSync(inRoot(path)).toSorted()) add(join(path, name));
    else if (stat) hash.update(`${path}\0${stat.size}\0`).update(readFileSync(inRoot(path)));
  };
  for (const path of paths) add(path);
  return hash.digest("hex");
}

/** Reads the digest of a finished step; undefined when there is none. */
export function readStamp(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
