import { downloaded, fetchRelease, release } from "./nats-release.mjs";
import { findProgram, versionOf } from "./program.mjs";
import { SetupError, Stopped, say } from "./say.mjs";
import { installSystemPackage } from "./system-package.mjs";

/** Finds or installs a nats-server. @returns its path @throws SetupError with instructions for a manual installation */
export async function natsServer() {
  const named = process.env.NATS_SERVER;
  if (named) {
    if (versionOf(named) === undefined) throw new SetupError(`NATS_SERVER=${named} cannot be run.`);
    return named;
  }
  return findProgram(["nats-server", downloaded]) ?? (await get());
}

// The distribution's package comes first, because the system then updates it.
async function get() {
  const reasons = [];
  reasons.push((await installSystemPackage("nats-server")) ?? "the package's nats-server does not run");
  const installed = findProgram(["nats-server"]);
  if (installed) return installed;

  reasons.push((await fromRelease()) ?? "the official release does not run here");
  const fetched = findProgram([downloaded]);
  if (fetched) return fetched;

  throw new SetupError(
    [
      "nats-server is needed, but was not found and could not be installed:",
      ...reasons.map((reason) => `  - ${reason}`),
      "To install it, do one of the following:",
      "  - sudo apt-get install nats-server    (Debian, Ubuntu)",
      "  - sudo apk add nats-server            (Alpine)",
      "  - brew install nats-server            (macOS)",
      "  - download it from https://github.com/nats-io/nats-server/releases, and put it on the PATH or set",
      "    NATS_SERVER=/path/to/nats-server",
      "  - set CARILLON_NATS_DOWNLOAD_BASE to a mirror of that page's download folder",
    ].join("\n"),
  );
}

async function fromRelease() {
  const archive = release();
  if (!archive) return `no release of nats-server is pinned for ${process.platform} ${process.arch}`;
  say("downloading nats-server (first time only) ...");
  try {
    await fetchRelease(archive);
    return undefined;
  } catch (error) {
    if (error instanceof Stopped) throw error;
    return error.message;
  }
}
