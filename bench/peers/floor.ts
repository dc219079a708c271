import { once } from "node:events";
import { Contender, type Entry } from "../support/contender.js";
import { plainText } from "../support/frames.js";
import { messageText } from "../support/peer-server.js";
import { Program } from "../support/program.js";

/** Starts the server of floor.c, which gets the same frames that Carillon makes. @param path - of the compiled program */
export async function startFloor(path: string): Promise<Contender> {
  const program = new Program(path, [], { stdio: ["pipe", "pipe", "inherit"] });
  const { stdin, stdout } = program.process;
  if (stdin === null || stdout === null) throw new Error("the floor has no pipes");
  program.check();
  const [line] = (await once(stdout, "data")) as [Buffer];
  const waiting: (() => void)[] = [];
  stdout.on("data", (bytes: Buffer) => {
    for (let count = bytes.length; count > 0; count -= 1) waiting.shift()?.();
  });
  return new Contender({
    name: "C floor",
    server: program,
    port: Number(line.toString()),
    path: "/",
    publish: (entries) =>
      new Promise<void>((resolve) => {
        waiting.push(resolve);
        stdin.write(encodeTurn(entries));
      }),
  });
}

/** Encodes a turn for the input of floor.c. */
function encodeTurn(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const frame = plainText(messageText(entry));
    return [littleEndian(Number(entry[0].slice(1)), frame.length), frame];
  });
  return Buffer.concat([littleEndian(entries.length), ...parts]);
}

function littleEndian(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4);
  for (const [position, number] of numbers.entries()) bytes.writeUInt32LE(number, position * 4);
  return bytes;
}
