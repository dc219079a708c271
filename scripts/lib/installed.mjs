import { readFileSync } from "node:fs";
import { inRoot } from "./paths.mjs";

/**
 * Whether node_modules holds what package-lock.json names, and nothing else: after `npm install` of a further package, say.
 * npm writes what it has installed to a lockfile inside node_modules when it has finished; with `--package-lock-only` it writes
 * there what it has not installed, too, so that the packages themselves are looked at as well.
 */
export function isInstalled() {
  const wanted = packagesOf(inRoot("package-lock.json"));
  const installed = packagesOf(inRoot("node_modules", ".package-lock.json"));
  if (wanted === undefined || installed === undefined) return false;
  delete wanted[""];
  return (
    Object.keys(installed).every((path) => path in wanted && fits(installed[path])) &&
    Object.entries(wanted).every(([path, entry]) =>
      path in installed ? isSame(entry, installed[path]) && isThere(path, entry) : mayLack(entry),
    )
  );
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

function isSame(one, other) {
  return one.version === other.version && one.integrity === other.integrity && one.link === other.link;
}

function isThere(path, { link, version }) {
  try {
    const found = JSON.parse(readFileSync(inRoot(path, "package.json"), "utf8"));
    return link === true || found.version === version;
  } catch {
    return false;
  }
}

/** Optional packages are left out where they do not fit. Which C library there is only npm knows. */
function mayLack(entry) {
  if (entry.optional !== true && entry.devOptional !== true) return false;
  const isForPlatform = entry.os !== undefined || entry.cpu !== undefined;
  return !isForPlatform || entry.libc !== undefined || !fits(entry);
}

/** A folder shared with another machine or container may hold what was compiled for that. */
function fits({ cpu, os }) {
  return allows(os, process.platform) && allows(cpu, process.arch);
}

/** Source: npm's package.json, `os` and `cpu`: names, or names to exclude with `!`. */
function allows(names, name) {
  if (names === undefined) return true;
  const excluded = names.filter((one) => one.startsWith("!"));
  if (excluded.includes(`!${name}`)) return false;
  return excluded.length === names.length || names.includes(name);
}
