// node scripts/complete-lock.mjs: adds the entries that package-lock.json lacks. Run it after `npm install PACKAGE` if
// `npm ci` then reports "Missing: ... from lock file".
//
// Packages with native programs name one optional package per platform. With a registry mirror that lacks some of the
// platforms, npm leaves those out of package-lock.json, and `npm ci` then rejects the file as incomplete. The added
// entries have a version but no checksum, which only the full registry knows. npm accepts that, and never downloads a
// package of another platform.
import { readFileSync, writeFileSync } from "node:fs";
import { main } from "./lib/main.mjs";
import { inRoot } from "./lib/paths.mjs";
import { say } from "./lib/say.mjs";

const OS = /\b(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32|windows)\b/;
const CPU = /\b(arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|x64)/;
const LIBC = /\b(musl|gnu|glibc)$/;

await main(() => {
  const file = inRoot("package-lock.json");
  const lock = JSON.parse(readFileSync(file, "utf8"));
  const missing = Object.entries(lock.packages).flatMap(([parent, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !holds(lock.packages, parent, name))
      .map(([name, version]) => ({ name, version, dev: entry.dev })),
  );
  const added = missing.filter((dependency) => add(lock.packages, dependency));
  lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => a.localeCompare(b, "en")));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  say(`${added.length} of ${missing.length} missing entries added to package-lock.json.`);
});

/** Whether a package at `parent` finds `name` in its own node_modules or in one further up, as Node resolves it. */
function holds(packages, parent, name) {
  const folders = parent.split(/\/?node_modules\//).slice(1);
  return [...folders, ""].some((_, depth) => {
    const above = folders.slice(0, depth).map((folder) => `node_modules/${folder}/`);
    return packages[`${above.join("")}node_modules/${name}`] !== undefined;
  });
}

function add(packages, { name, version, dev }) {
  const [os, cpu, libc] = [OS, CPU, LIBC].map((pattern) => pattern.exec(name)?.[1]);
  // Other entries cannot be derived: a version range, or a package whose name does not contain its platform.
  if (!os || !cpu || !/^\d+\.\d+\.\d+$/.test(version)) return false;
  packages[`node_modules/${name}`] = {
    version,
    cpu: [cpu],
    ...(dev ? { dev } : {}),
    ...(libc ? { libc: [libc === "musl" ? "musl" : "glibc"] } : {}),
    optional: true,
    // Some package names say "windows", but npm's "os" uses the values of process.platform.
    os: [os === "windows" ? "win32" : os],
  };
  return true;
}
