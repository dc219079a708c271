import { readFileSync } from "node:fs";
import { inRoot } from "./paths.mjs";

/**
 * Whether node_modules holds exactly the packages of package-lock.json. npm lists the installed packages in a lockfile
 * inside node_modules. With `--package-lock-only` it also lists packages that it has not installed, so this checks the
 * packages themselves too.
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

/** Whether a package may be missing: an optional one for another platform, or for a C library, which only npm detects. */
function mayLack(entry) {
  if (entry.optional !== true && entry.devOptional !== true) return false;
  const isForPlatform = entry.os !== undefined || entry.cpu !== undefined;
  return !isForPlatform || entry.libc !== undefined || !fits(entry);
}

/** Whether a package supports this platform. A folder shared with another machine may hold packages for that one. */
function fits({ cpu, os }) {
  return allows(os, process.platform) && allows(cpu, process.arch);
}

/** Whether the `os` or `cpu` of a package.json allows a name. They list names, or names to exclude with `!` (source: npm). */
function allows(names, name) {
  if (names === undefined) return true;
  const excluded = names.filter((one) => one.startsWith("!"));
  if (excluded.includes(`!${name}`)) return false;
  return excluded.length === names.length || names.includes(name);
}
