import { createWorker } from "../../../src/index.js";

/**
 * A worker in a process of its own. It takes the event "work" and prints "took N" for each task; it ends none, unless it
 * is to be of use.
 *
 * Arguments: HOST:PORT of a node, its capacity, "stuck" or "useful".
 */
async function main([address = "", capacity = "", kind = ""]: readonly string[]): Promise<void> {
  const worker = createWorker({ url: `grpc://${address}`, capacity: Number(capacity) });
  let taken = 0;
  worker.on("work", async (task, answer) => {
    taken += 1;
    process.stdout.write(`took ${taken}\n`);
    if (kind === "stuck") await new Promise(() => {});
    answer(`${task.text()} at attempt ${task.attempt}`);
  });
  await worker.start();
  process.stdout.write("ready\n");
}

void main(process.argv.slice(2));
