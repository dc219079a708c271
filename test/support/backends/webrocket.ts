import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { connect, type Socket } from "node:net";
import { cleanUp } from "../clean-up.js";
import { Queue } from "../queue.js";

/**
 * WebRocket backends that write and read like the published ones in Go and Ruby: lines up to `\n`, and two lines `\r\n` at the end
 * of a packet.
 */

/** Milliseconds; slightly less than the server's interval, so that each of its heartbeats is answered. */
const HEARTBEAT_INTERVAL = 400;

export interface WebrocketVhost {
  readonly port: number;
  readonly path: string;
  readonly token: string;
}

function pack(identity: string, frames: readonly string[]): string {
  return `${identity === "" ? "" : `${identity}\n\n`}${frames.join("\n")}\n\r\n\r\n`;
}

class PacketLines {
  #text = "";
  #lines: string[] = [];
  #mayEnd = false;

  *read(chunk: string): Generator<readonly string[]> {
    this.#text += chunk;
    for (let end = this.#text.indexOf("\n"); end !== -1; end = this.#text.indexOf("\n")) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 1);
      if (line !== "\r") this.#lines.push(line);
      else if (this.#mayEnd) yield this.#lines.splice(0);
      this.#mayEnd = line === "\r" && !this.#mayEnd;
    }
  }
}

function identityOf(kind: "req" | "dlr", { path, token }: WebrocketVhost): string {
  return [kind, path, token, randomUUID()].join(":");
}

async function dial({ port }: WebrocketVhost): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true }).setEncoding("utf8");
  socket.on("error", () => {});
  cleanUp(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** Sends one request. @returns the answer to `AT`, "" for `OK` @throws Error for `ER` or any other answer */
export async function requestWebrocket(vhost: WebrocketVhost, ...frames: readonly string[]): Promise<string> {
  const socket = await dial(vhost);
  const lines = new PacketLines();
  const answers = new Queue<readonly string[]>();
  socket.on("data", (chunk: string) => {
    for (const packet of lines.read(chunk)) answers.push(packet);
  });
  socket.on("close", () => answers.push([]));
  socket.write(pack(identityOf("req", vhost), frames));
  const [command, frame] = await answers.next();
  socket.destroy();
  if (command === "OK" && frame !== undefined) return "";
  if (command === "AT" && frame?.length === 128) return frame;
  throw new Error(command === "ER" ? `error ${frame}` : "unknown server error");
}

/** Worker that sends its identity with `RD` only, sends a heartbeat after each packet, and reconnects after errors. */
export class PublishedWorker {
  readonly events = new Queue<Readonly<Record<string, unknown>>>();
  /** Codes of the errors received. */
  readonly errors: string[] = [];
  readonly #vhost: WebrocketVhost;
  readonly #beats = new EventEmitter();
  #socket: Socket | undefined;
  #beatAt = 0;
  #running = true;

  private constructor(vhost: WebrocketVhost) {
    this.#vhost = vhost;
    cleanUp(() => this.stop());
  }

  /** Resolves when the server has confirmed that the worker is alive. */
  static async start(vhost: WebrocketVhost): Promise<PublishedWorker> {
    const worker = new PublishedWorker(vhost);
    await worker.#connect();
    await worker.heartbeat();
    return worker;
  }

  /** Resolves when the worker has sent its next heartbeat. */
  async heartbeat(): Promise<void> {
    await once(this.#beats, "beat");
  }

  stop(): void {
    this.#running = false;
    this.#socket?.end(pack("", ["QT"]));
  }

  async #connect(): Promise<void> {
    const socket = await dial(this.#vhost);
    const lines = new PacketLines();
    this.#socket = socket;
    socket.on("data", (chunk: string) => {
      for (const packet of lines.read(chunk)) this.#take(packet);
    });
    socket.once("close", () => {
      if (this.#running) void this.#connect();
    });
    socket.write(pack(identityOf("dlr", this.#vhost), ["RD"]));
  }

  #take([command, frame = ""]: readonly string[]): void {
    if (command === "TR") this.events.push(JSON.parse(frame) as Record<string, unknown>);
    if (command === "ER") this.errors.push(frame);
    if (command === "ER" && frame === "402") this.#running = false;
    if (command === "QT") this.#socket?.end(pack("", ["QT"]));
    if (Date.now() < this.#beatAt) return;
    this.#socket?.write(pack("", ["HB"]));
    this.#beatAt = Date.now() + HEARTBEAT_INTERVAL;
    this.#beats.emit("beat");
  }
}
