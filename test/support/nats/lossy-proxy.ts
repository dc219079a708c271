import type { Socket } from "node:net";
import { startTcpProxy } from "../net/tcp-proxy.js";

/** Fate of a live message on its way from the server. `late`: it arrives after the next one. */
export type Fate = "arrives" | "lost" | "twice" | "late";

/** A proxy in front of a server that loses, repeats and delays the messages of topics. */
export class LossyProxy {
  /** Numbers of messages by their fate. */
  readonly fates: Record<Fate, number> = { arrives: 0, lost: 0, twice: 0, late: 0 };
  #script: Iterator<Fate> = [][Symbol.iterator]();

  /** Decides about the next messages. All later ones arrive. */
  follow(script: readonly Fate[]): void {
    this.#script = script[Symbol.iterator]();
  }

  /** @param port - of the server @returns the proxy's URL */
  async start(port: number): Promise<string> {
    const proxy = await startTcpProxy(port, (client: Socket, server: Socket) => {
      client.pipe(server);
      let rest: Buffer = Buffer.alloc(0);
      let late: readonly Buffer[] = [];
      server.on("data", (bytes: Buffer) => {
        const { frames, rest: incomplete } = splitFrames(Buffer.concat([rest, bytes]));
        rest = incomplete;
        for (const frame of frames) {
          if (!isLive(frame)) {
            client.write(frame);
            continue;
          }
          const fate = this.#next();
          const delayed = late;
          late = fate === "late" ? [frame] : [];
          const copies = { arrives: [frame], lost: [], twice: [frame, frame], late: [] }[fate];
          for (const each of [...copies, ...delayed]) client.write(each);
        }
      });
    });
    return proxy.natsUrl;
  }

  #next(): Fate {
    const next = this.#script.next();
    const fate = next.done === true ? "arrives" : next.value;
    this.fates[fate] += 1;
    return fate;
  }
}

/** Whether a frame is a message of a topic of the vhost `/` that a stream has republished. */
function isLive(frame: Buffer): boolean {
  return (
    frame.subarray(0, 64).toString("latin1").startsWith("HMSG carillon._.") && frame.includes("Nats-Last-Sequence")
  );
}

/** Splits the server's bytes into whole protocol messages. Source: NATS client protocol. */
function splitFrames(bytes: Buffer): { readonly frames: readonly Buffer[]; readonly rest: Buffer } {
  const frames: Buffer[] = [];
  let rest = bytes;
  for (;;) {
    const lineEnd = rest.indexOf("\r\n");
    if (lineEnd === -1) return { frames, rest };
    const line = rest.subarray(0, lineEnd).toString("latin1");
    const size = /^H?MSG .* (\d+)$/.exec(line)?.[1];
    const end = lineEnd + 2 + (size === undefined ? 0 : Number(size) + 2);
    if (rest.length < end) return { frames, rest };
    frames.push(rest.subarray(0, end));
    rest = rest.subarray(end);
  }
}
