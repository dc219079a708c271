import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { digest } from "./digest.mjs";
import { goProgram } from "./go-program.mjs";
import { cache, inRoot } from "./paths.mjs";
import { findProgram } from "./program.mjs";
import { run } from "./run.mjs";
import { say } from "./say.mjs";

const SOURCES = join("test", "e2e", "interop", "clients");

/** Compiled clients of gRPC's libraries: what compiles them, in a copy of their sources, and the result in that folder. */
const CLIENTS = {
  INTEROP_GO: { folder: "go", tools: ["go"], build: ["go", ["build", "-o", "client", "."]], result: "client" },
  INTEROP_JAVA: {
    folder: "java",
    tools: ["mvn", "javac"],
    build: [
      "mvn",
      ["--quiet", "--batch-mode", "compile", "dependency:copy-dependencies", "-DoutputDirectory=target/lib"],
    ],
    result: "target",
  },
  INTEROP_RUST: {
    folder: "rust",
    tools: ["cargo"],
    build: ["cargo", ["build", "--quiet", "--locked"]],
    result: join("target", "debug", "interop-client"),
  },
};

const CARGO_ENV = { CARGO_PROFILE_DEV_DEBUG: "0", CARGO_INCREMENTAL: "0" };

/** Advice for a run of all tests, which leaves these out because they take minutes. */
const ADVICE = "npm test -- test/e2e/interop runs them";

/** Does the same as {@link interopClients} without building anything: all their tests are skipped. */
export function withoutInteropClients() {
  const variables = [...Object.keys(CLIENTS), "GRPC_INTEROP", "PYTHON_GRPC"];
  const env = Object.fromEntries(variables.map((variable) => [`${variable}_MISSING`, ADVICE]));
  return { env, missing: [`skipped the tests with gRPC's libraries for other languages: ${ADVICE}`] };
}

/**
 * Builds the clients of test/e2e/interop/, each once for each state of its sources. Returns `{ env, missing }`: their paths in
 * variables such as INTEROP_GO, or the reasons in variables such as INTEROP_GO_MISSING; and a message for each that is missing.
 */
export async function interopClients() {
  const env = {};
  const missing = [];
  // One after the other, because each of them uses all cores.
  for (const [variable, client] of Object.entries(CLIENTS)) {
    const { path, reason } = await findClient(client);
    env[path ? variable : `${variable}_MISSING`] = path ?? reason;
    if (!path) missing.push(`skipped the tests with gRPC for ${client.folder}: ${reason}`);
  }
  const published = await goProgram({
    name: "grpc-interop",
    built: "client",
    version: "1.85.0",
    module: "google.golang.org/grpc/interop/client",
    variable: "GRPC_INTEROP",
    show: ["--help"],
    pinned: true,
  });
  env[published.path ? "GRPC_INTEROP" : "GRPC_INTEROP_MISSING"] = published.path ?? published.missing;
  if (published.missing) missing.push(`skipped the interoperability tests of gRPC: ${published.missing}`);
  return { env, missing };
}

/** Returns `{ path }` of a client that is built, or `{ reason }`. */
async function findClient({ build: [program, args], folder, result, tools }) {
  const sources = join(SOURCES, folder);
  // The path contains the state of the sources, so that changed ones are built again.
  const target = join(cache, "interop", `${folder}-${digest([sources]).slice(0, 12)}`);
  const path = join(target, basename(result));
  if (existsSync(path)) return { path };
  for (const tool of tools) {
    if (!findProgram([tool], tool === "go" ? ["version"] : undefined)) return { reason: `${tool} is not installed` };
  }
  say(`building a client of gRPC for ${folder} (first time only) ...`);
  mkdirSync(join(cache, "interop"), { recursive: true });
  // Built beside the target and renamed, so that the target is never incomplete.
  const work = mkdtempSync(join(cache, "interop", `${folder}-build-`));
  try {
    cpSync(inRoot(sources), work, { recursive: true });
    const { code, output } = await run(program, args, { cwd: work, env: { ...process.env, ...CARGO_ENV } });
    if (code !== 0) return { reason: `its client could not be built: ${output.trim().split("\n").at(-1)}` };
    mkdirSync(target, { recursive: true });
    renameSync(join(work, result), path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { path };
}
