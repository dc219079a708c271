import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cleanUp } from "../clean-up.js";
import { Program } from "../nodes/program.js";
import { textsOf, variablesOf } from "./dockerfile.js";
import type { Image } from "./image.js";

/**
 * Makes the image's root read-only, within namespaces for mounts and processes. The command, which follows the root, the
 * folder, the user and the group, replaces the shell, so that it is process 1.
 */
const CONTAIN = `
root=$0 folder=$1 user=$2 group=$3
shift 3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -o remount,ro,bind "$root"
exec unshare --root="$root" --wd="$folder" --setgid="$group" --setuid="$user" -- "$@"
`;

const NAMESPACES = ["--mount", "--pid", "--fork", "--kill-child"];

/** Reason why no container can be made here; undefined if one can. */
export function containersMissing(): string | undefined {
  const { status } = spawnSync("unshare", [...NAMESPACES, "true"]);
  return status === 0 ? undefined : "needs Linux and root, for namespaces";
}

/** Container of an image, in the network of this machine. Runs its programs as Docker does. */
export class Container {
  readonly #image: Image;
  readonly #variables: Readonly<Record<string, string>>;

  /** @param variables - replace those of the image */
  constructor(image: Image, variables: Readonly<Record<string, string>>) {
    this.#image = image;
    this.#variables = { ...variablesOf(image.stage), ...variables };
    for (const folder of ["proc", "dev"]) mkdirSync(join(image.root, folder), { recursive: true });
  }

  /** Starts a program, and ends it after the test. */
  start(command: readonly string[]): Program {
    const program = new Program("unshare", this.#contain(command), {
      folder: this.#image.root,
      environment: this.#environment,
    });
    cleanUp(() => program.stop("SIGKILL"));
    return program;
  }

  /** Runs a program until it ends. */
  run(command: readonly string[]): { readonly code: number | null; readonly output: string } {
    const { status, stderr, stdout } = spawnSync("unshare", this.#contain(command), {
      env: this.#environment,
      encoding: "utf8",
    });
    return { code: status, output: stdout + stderr };
  }

  get #environment(): NodeJS.ProcessEnv {
    return { PATH: process.env["PATH"], ...this.#variables };
  }

  #contain(command: readonly string[]): string[] {
    const { root, stage } = this.#image;
    const folder = textsOf(stage, "WORKDIR").at(-1) ?? "/";
    const [user = "", group = ""] = (textsOf(stage, "USER").at(-1) ?? "").split(":");
    return [...NAMESPACES, "sh", "-ec", CONTAIN, root, folder, user, group, ...command];
  }
}

/** Signals process 1 of a container, from outside as Docker does. */
export function signalFirst(id: number, signal: NodeJS.Signals): void {
  process.kill(firstOf(id), signal);
}

/** Reads /proc/PID/NAME of process 1 of a container. */
export function procOf(id: number, name: string): string {
  return readFileSync(`/proc/${firstOf(id)}/${name}`, "utf8");
}

function firstOf(id: number): number {
  const [child = ""] = readFileSync(`/proc/${id}/task/${id}/children`, "utf8").split(" ");
  return Number(child);
}
