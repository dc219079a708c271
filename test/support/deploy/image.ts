import { execFile } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "../../../src/util/package-root.js";
import { readStages, type Stage, textsOf } from "./dockerfile.js";

const run = promisify(execFile);

/** Steps that are not run, each with what replaces it. */
const INSTEAD: Readonly<Record<string, (folder: string) => void>> = {
  // The checkout has the same packages, and installing them again would take a minute.
  "npm ci --ignore-scripts --no-audit --no-fund": (folder) => {
    symlinkSync(join(packageRoot, "node_modules"), join(folder, "node_modules"));
  },
};

/** Time of all steps of a stage, in milliseconds, on a busy machine. */
export const BUILD_TIMEOUT = 600_000;

/** Image that the steps of a Dockerfile have made in a folder. */
export interface Image {
  /** Folder that is the root of a container. */
  readonly root: string;
  /** Last stage. */
  readonly stage: Stage;
}

/**
 * Runs the steps of the Dockerfile below a folder, without Docker: COPY, WORKDIR and RUN. The files of base images are missing,
 * except Node at its place in the last one.
 */
export async function buildImage(dockerfile: string, folder: string): Promise<Image> {
  const stages = readStages(readFileSync(join(packageRoot, dockerfile), "utf8"));
  const rootOf = (name: string | undefined): string => join(folder, name ?? "image");
  for (const stage of stages) {
    mkdirSync(rootOf(stage.name));
    await buildStage(stage, rootOf);
  }
  const stage = stages.at(-1);
  if (stage === undefined) throw new Error("no stage");
  const root = rootOf(stage.name);
  await addNode(root);
  return { root, stage };
}

async function buildStage(stage: Stage, rootOf: (name: string | undefined) => string): Promise<void> {
  const root = rootOf(stage.name);
  let workdir = root;
  for (const { keyword, text } of stage.instructions) {
    if (keyword === "WORKDIR") {
      workdir = join(root, text);
      mkdirSync(workdir, { recursive: true });
    } else if (keyword === "COPY") {
      copy(text, { workdir, root, rootOf });
    } else if (keyword === "RUN") {
      const replaced = INSTEAD[text];
      // Packages that were installed for the checkout are in npm's cache.
      const env = { ...process.env, npm_config_prefer_offline: "true" };
      if (replaced === undefined)
        await run("sh", ["-ec", text], { cwd: workdir, env, timeout: BUILD_TIMEOUT, maxBuffer: 1 << 26 });
      else replaced(workdir);
    }
  }
}

interface CopyTarget {
  readonly workdir: string;
  readonly root: string;
  readonly rootOf: (name: string) => string;
}

function copy(text: string, { root, rootOf, workdir }: CopyTarget): void {
  const [, stage, from = "", to = ""] = /^(?:--from=(\S+) )?(\S+) (\S+)$/.exec(text) ?? [];
  const target = to.startsWith("/") ? join(root, to) : join(workdir, to);
  if (stage === undefined) copyContext(from, target);
  else cpSync(join(rootOf(stage), from), target, { recursive: true, verbatimSymlinks: true });
}

/** Copies the files that .dockerignore, a list of exceptions, leaves. */
function copyContext(from: string, target: string): void {
  for (const path of readAllowed()) {
    const source = join(packageRoot, from, path);
    cpSync(source, join(target, relative(join(packageRoot, from), source)), { recursive: true });
  }
}

/** Returns the files and folders that .dockerignore allows. @throws Error when it does not exclude everything else */
export function readAllowed(): readonly string[] {
  const lines = readFileSync(join(packageRoot, ".dockerignore"), "utf8").split("\n");
  const [first, ...allowed] = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (first !== "*" || allowed.some((line) => !line.startsWith("!"))) throw new Error(".dockerignore is no list");
  return allowed.map((line) => line.slice(1));
}

/** Adds Node with its libraries, at the place that it has in distroless images. */
async function addNode(root: string): Promise<void> {
  const { stdout } = await run("ldd", [process.execPath]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => [path, path] as const);
  for (const [from, to] of [[process.execPath, "/nodejs/bin/node"] as const, ...libraries]) {
    const target = join(root, to);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(from, target);
  }
}

/** Paths that the last stage's COPY instructions have created, from the root. */
export function copiedPaths({ root, stage }: Image): readonly string[] {
  return textsOf(stage, "COPY")
    .map((text) => text.split(" ").at(-1) ?? "")
    .filter((path) => existsSync(join(root, path)));
}
