import { spawn } from "node:child_process";
import { once } from "node:events";

// A loop whose parent was killed outright ends by itself.
const SPIN = `
  const parent = process.ppid;
  while (process.ppid === parent) for (let n = 0; n < 10_000_000; n += 1);
`;

/** Keeps this many cores busy, each with a process of its own. Answers their process ids and the function that ends them. */
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
