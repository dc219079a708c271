import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { cleanUp } from "../clean-up.js";
import { Queue } from "../queue.js";
import { PROGRAM } from "./process.js";

/** Runs `carillon listen` until the end of the test. */
export function listen(ws: string, ...args: readonly string[]) {
  const child = spawn(process.execPath, [PROGRAM, "listen", "-s", ws.replace("ws", "http"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit").then(([code]) => code as number | null);
  cleanUp(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const notes = new Queue<string>();
  const stderr = createInterface({ input: child.stderr }).on("line", (line) => {
    notes.push(line);
  });
  const [listening, listeningAgain] = [1, 2].map((expected) => {
    let seen = 0;
    return new Promise<void>((resolve) => {
      stderr.on("line", (line) => {
        if (line.includes("listening to")) seen += 1;
        if (seen === expected) resolve();
      });
    });
  });
  const line = async (): Promise<string> => String((await lines.next()).value);
  return { child, exited, line, listening, listeningAgain, notes };
}
