import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Folder of files that the scripts keep between runs. Git and `npm ci` ignore it. */
export const cache = join(root, ".cache");

export const inRoot = (...parts) => join(root, ...parts);
