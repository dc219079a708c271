import { join } from "node:path";
import { packageRoot } from "../../src/util/package-root.js";
import { cleanUp } from "./clean-up.js";
import { Program } from "./nodes/program.js";

/** A running example of `examples/`. */
export interface RunningExample {
  /** URL of its page, without the slash at the end. */
  readonly url: string;
  readonly program: Program;
  /** Restarts its node, as a user does. */
  restart(): Promise<void>;
}

const FREE_PORTS = ["--site", "--http", "--grpc"].flatMap((option) => [option, "127.0.0.1:0"]);

/** Starts an example on free ports, as `npm run example NAME` does after its build. It is stopped after the test. */
export async function startExample(name: string, args: readonly string[] = []): Promise<RunningExample> {
  const server = join(packageRoot, "examples", name, "server.mjs");
  const program = new Program(process.execPath, [server, ...FREE_PORTS, ...args], {
    folder: packageRoot,
    environment: process.env,
    keepsInput: true,
  });
  cleanUp(async () => {
    const exitCode = await program.stop("SIGTERM");
    if (exitCode !== 0) throw new Error(`the example ended with ${exitCode}:\n${program.printed}`);
  });
  const [, url = ""] = await program.says(/open (http:\S+)\/ in two windows/);
  let restarts = 0;
  return {
    url,
    program,
    async restart() {
      restarts += 1;
      program.write("r\n");
      await program.says(/the node is back/, restarts);
    },
  };
}
