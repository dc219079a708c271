import { spawn } from "node:child_process";
import { once } from "node:events";

// A loop exits by itself when its parent is killed.
const SPIN = `
  const parent = process.ppid;
  while (process.ppid === parent) for (let n = 0; n < 10_000_000; n += 1);
`;

/**
 * Keeps a number of cores busy, each with its own process.
 * @returns their process ids and a function that stops them
 */
export function startBusyLoops(count) {
  const loops = Array.from({ length: count }, () => {
    const loop = spawn(process.execPath, ["-e", SPIN], { stdio: ["ignore", "ignore", "inherit"] });
    return { loop, gone: once(loop, "exit") };
  });
  const stop = async () => {
    for (const { loop } of loops) loop.kill("SIGKILL");
    await Promise.all(loops.map(({ gone }) => gone));
  };
  return { ids: loops.map(({ loop }) => loop.pid), stop };
}
