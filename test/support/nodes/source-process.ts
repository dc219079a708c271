import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { cleanUp } from "../clean-up.js";

/** Lets a plain Node process run TypeScript sources, as jest does for the tests. */
const LOADER = `
  const Module = require("node:module");
  const { transformFileSync } = require("@swc/core");
  const resolve = Module._resolveFilename;
  Module._resolveFilename = function (request, parent, ...rest) {
    const wanted = /^\\..*\\.js$/.test(request) && parent?.filename?.endsWith(".ts") ? request.replace(/js$/, "ts") : request;
    return resolve.call(this, wanted, parent, ...rest);
  };
  require.extensions[".ts"] = (module, file) => {
    const { code } = transformFileSync(file, {
      jsc: { parser: { syntax: "typescript" }, target: "es2022" },
      module: { type: "commonjs" },
    });
    module._compile(code, file);
  };
  require(process.argv[1]);
`;

export interface SourceProcess {
  readonly child: ChildProcess;
  /** Printed lines. */
  readonly lines: readonly string[];
  /** Resolves with the first line, from this one on, that matches. */
  readonly printed: (pattern: RegExp, from?: number) => Promise<string>;
  /** Resolves when it has ended and all that it printed is there. */
  readonly ended: Promise<void>;
}

/**
 * Runs a TypeScript file in a process of its own; it is killed after the test.
 * @param shell - commands before it, as for limits
 */
export function runSource(file: string, args: readonly string[], shell = ""): SourceProcess {
  const command = `${shell}\nexec "$0" "$@"`;
  const child = spawn("/bin/sh", ["-c", command, process.execPath, "-e", LOADER, file, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines: string[] = [];
  const wake: (() => void)[] = [];
  let over = false;
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    for (const run of wake.splice(0)) run();
  });
  const ended = once(child, "close").then(() => {
    over = true;
    for (const run of wake.splice(0)) run();
  });
  cleanUp(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const printed = async (pattern: RegExp, from = 0): Promise<string> => {
    for (;;) {
      const found = lines.slice(from).find((line) => pattern.test(line));
      if (found !== undefined) return found;
      if (over) throw new Error(`${file} ended and did not print ${pattern}: ${lines.join("\n")}`);
      await new Promise<void>((resolve) => {
        wake.push(resolve);
      });
    }
  };
  return { child, lines, printed, ended };
}
