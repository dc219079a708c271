import { existsSync, readFileSync } from "node:fs";
import { findProgram } from "./program.mjs";
import { run } from "./run.mjs";
import { say } from "./say.mjs";

// Without a network apt would retry for minutes. The options also wait for another running apt.
const APT = ["apt-get", "-qq", "-o", "Acquire::http::Timeout=15", "-o", "Acquire::Retries=1"];
const APT_INSTALL = [...APT, "-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends"];

/**
 * Installs a package of the system's distribution, without ever asking for a password. Resolves to undefined when it is
 * installed, else to the reason of the failure.
 */
export async function installSystemPackage(name) {
  if (findProgram(["apt-get"])) {
    return asRoot(name, async (root) => {
      // Package lists are updated only if the installation fails, because that takes a minute.
      const env = [...root, "env", "DEBIAN_FRONTEND=noninteractive"];
      const first = await run(env[0], [...env.slice(1), ...APT_INSTALL, name]);
      if (first.code === 0) return first;
      await run(env[0], [...env.slice(1), ...APT, "update"]);
      return run(env[0], [...env.slice(1), ...APT_INSTALL, name]);
    });
  }
  if (findProgram(["apk"])) {
    return asRoot(name, (root) => {
      const [file, ...args] = [...root, "apk", "add", "--no-cache", name];
      return run(file, args);
    });
  }
  if (findProgram(["brew"])) return attempt(name, () => run("brew", ["install", name]));
  return "unknown package manager: expected apt, apk or Homebrew";
}

/** Reads `ID` of /etc/os-release, such as "debian"; undefined on other systems. */
export function distribution() {
  if (!existsSync("/etc/os-release")) return undefined;
  return /^ID="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
}

async function asRoot(name, install) {
  if (process.getuid?.() === 0) return attempt(name, () => install([]));
  if ((await run("sudo", ["-n", "true"])).code === 0) return attempt(name, () => install(["sudo", "-n"]));
  return `installing the package ${name} needs root, or sudo without a password`;
}

async function attempt(name, install) {
  say(`installing the system package ${name} (first time only) ...`);
  const { code, output } = await install();
  if (code === 0) return undefined;
  const last = output.trim().split("\n").at(-1);
  return `the system package ${name} could not be installed: ${last}`;
}
