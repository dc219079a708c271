import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { cache } from "./paths.mjs";
import { run } from "./run.mjs";

const VERSION = "2.10.29";

// SHA-256 of the archives, as the project's own image definitions pin them (nats-io/nats-docker, 2.10.x/alpine3.22).
// They cover Linux only; on macOS Homebrew has nats-server.
const ARCHIVES = {
  "linux x64": ["linux-amd64", "e314da74a83a1d3876db8814c27eb990fe729640fd6452025b441bcede8390da"],
  "linux arm64": ["linux-arm64", "da4b27942ecfb4c5f0c54553d2e7f470ddda9d7581cfe8131b351a0e223ed401"],
  "linux arm": ["linux-arm7", "a59e7336a32ef78b0ca8bc3e6707a5770461d3f45c4c2f96cfef263f26eaefd5"],
};

const OFFICIAL = "https://github.com/nats-io/nats-server/releases/download";

// The answer must begin soon, because an unreachable host is the usual failure; the 6 MB may take longer.
const ANSWER_TIMEOUT_MS = 10_000;
const BODY_TIMEOUT_MS = 180_000;

/** Path of a downloaded nats-server. It contains the version, so that a newer one is downloaded. */
export const downloaded = join(cache, `nats-server-${VERSION}`, "nats-server");

/** Returns the archive for a platform, `{ url, sha256 }`, or undefined if no checksum is pinned for it. */
export function release(platform = process.platform, arch = process.arch) {
  const [name, sha256] = ARCHIVES[`${platform} ${arch}`] ?? [];
  if (!name) return undefined;
  const base = process.env.CARILLON_NATS_DOWNLOAD_BASE || OFFICIAL;
  return { url: `${base}/v${VERSION}/nats-server-v${VERSION}-${name}.tar.gz`, sha256 };
}

/** Downloads, verifies and unpacks an archive, and moves its nats-server to `target`. @throws Error with the reason */
export async function fetchRelease({ url, sha256 }, target = downloaded) {
  const archive = await download(url);
  const found = createHash("sha256").update(archive).digest("hex");
  if (found !== sha256) throw new Error(`${url} has the SHA-256 ${found}, expected ${sha256}; it was not unpacked`);

  // Unpacked beside the target and renamed, so that the target is never incomplete.
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "nats-download-"));
  try {
    const file = join(work, "archive.tar.gz");
    writeFileSync(file, archive);
    const { code, output } = await run("tar", ["-xzf", file, "-C", work]);
    if (code !== 0) throw new Error(`tar could not unpack ${url}: ${output.trim()}`);
    const unpacked = join(work, basename(url, ".tar.gz"), "nats-server");
    chmodSync(unpacked, 0o755);
    mkdirSync(dirname(target), { recursive: true });
    renameSync(unpacked, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function download(url) {
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(new Error("no answer")), ANSWER_TIMEOUT_MS);
  try {
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok) throw new Error(`status ${response.status}`);
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(new Error("too slow")), BODY_TIMEOUT_MS);
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    // fetch reports only "fetch failed"; its cause has the reason.
    const cause = error.cause?.code ?? error.cause?.message ?? error.message;
    throw new Error(`${url} could not be fetched (${cause})`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
