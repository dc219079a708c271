import type { Socket } from "node:net";
import type { Clock } from "../../../core/ports.js";
import { CarillonError } from "../../../errors.js";
import type { ByteBudget, ByteLease } from "../../../net/byte-budget.js";
import { normalizeIpAddress } from "../../../net/ip-address.js";
import { ignore } from "../../../util/ignore.js";
import type { Vhost } from "../../../vhosts/vhost.js";
import type { Dispatch } from "../../../workers/dispatch.js";
import { toWebrocketCode, type WebrocketCode } from "../errors.js";
import { authenticatePeer, type Identity, isSamePeer, parseIdentity, type VhostDirectory } from "./identity.js";
import { MalformedPacket, type Packet, PacketReader, packetText } from "./packet.js";
import { answerRequest, type RequestServices } from "./requests.js";
import { WebrocketWorker } from "./worker.js";

/** Time in which a packet has to be complete, in milliseconds. Workers send heartbeats much more often. */
const PATIENCE = 10_000;

/** Time for a peer to close its side after ours, in milliseconds. */
const LINGER = 2_000;

export interface BackendConnectionContext extends RequestServices {
  readonly vhosts: VhostDirectory;
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  /** Most bytes of a packet. */
  readonly packetBytes: number;
  readonly budget: ByteBudget;
  /** Told of errors that are faults of this server and not refusals. */
  readonly onFault: (cause: unknown) => void;
}

/** Commands that a worker sends without its identity. */
const BARE: ReadonlySet<string> = new Set(["HB", "QT"]);

/** One connection of a backend: a request and its answer, or a worker. */
export class BackendConnection {
  readonly #socket: Socket;
  readonly #context: BackendConnectionContext;
  readonly #reader: PacketReader;
  readonly #address: string;
  /** Counts the bytes of an incomplete packet; undefined for none. */
  #lease: ByteLease | undefined;
  #worker: WebrocketWorker | undefined;
  /** Sender of this connection's bare packets, as `RD` has named it. */
  #identity: Identity | undefined;
  /** Path of the vhost that the connection was last admitted to. */
  #vhost: string | undefined;
  #state: "reading" | "answering" | "ended" = "reading";
  #cancelPatience: () => void;
  readonly #onKnown: () => void;

  /** @param onKnown - called when a packet of a known backend has come, once for each */
  constructor(socket: Socket, context: BackendConnectionContext, onKnown: () => void) {
    this.#onKnown = onKnown;
    this.#socket = socket;
    this.#context = context;
    this.#address = normalizeIpAddress(socket.remoteAddress ?? "") ?? "";
    this.#reader = new PacketReader(context.packetBytes);
    this.#cancelPatience = context.clock.after(PATIENCE, this.#onSilence);
    socket.on("data", (chunk: Uint8Array) => {
      this.#take(chunk);
    });
    // The close event follows.
    socket.on("error", ignore);
    socket.once("end", () => {
      // A peer may still wait for an answer.
      if (this.#state === "reading") this.#end("");
    });
    socket.once("close", () => {
      this.#state = "ended";
      this.#cancelPatience();
      this.#worker?.leave();
      this.#release();
    });
  }

  /** Ends the connection when its request or tasks are done. */
  close(): void {
    if (this.#state === "ended") return;
    if (this.#worker !== undefined) this.#worker.drain();
    else if (this.#state === "reading") this.#end("");
  }

  terminate(): void {
    this.#socket.destroy();
  }

  #take(chunk: Uint8Array): void {
    // One request a connection.
    if (this.#state !== "reading") return;
    try {
      this.#reader.push(chunk);
      for (let packet = this.#next(); packet !== undefined; packet = this.#next()) this.#obey(packet);
      this.#count();
    } catch (fault) {
      if (!(fault instanceof MalformedPacket)) this.#context.onFault(fault);
      this.#refuse(fault instanceof MalformedPacket ? 400 : 597);
    }
  }

  /** Counts the bytes that are kept until their packet is complete. */
  #count(): void {
    const bytes = this.#state === "reading" ? this.#reader.pending : 0;
    if (bytes === 0) {
      this.#release();
      return;
    }
    this.#lease ??= this.#context.budget.open({ address: this.#address, key: this.#vhost });
    const more = bytes - this.#lease.bytes;
    if (more <= 0) this.#lease.give(-more);
    else if (!this.#lease.tryTake(more)) this.#refuse(503);
  }

  #release(): void {
    this.#lease?.release();
    this.#lease = undefined;
  }

  /** Before a worker is ready, a packet is read no further than its first line unless that is a valid identity. */
  #next(): Packet | undefined {
    if (this.#state !== "reading") return undefined;
    if (this.#identity === undefined) {
      const line = this.#reader.firstLine();
      if (line === undefined || !this.#admits(line)) return undefined;
    }
    return this.#reader.next();
  }

  /** Ends the connection of a peer that is not admitted. */
  #admits(line: string): boolean {
    if (line === "" || line === "\r") throw new MalformedPacket("expected an identity");
    if (BARE.has(line)) {
      this.#end(line === "HB" ? packetText("QT") : "");
      return false;
    }
    const vhost = authenticatePeer(parseIdentity(line), this.#context.vhosts);
    if (typeof vhost === "number") {
      this.#refuse(vhost);
      return false;
    }
    this.#vhost = vhost.name;
    return true;
  }

  #obey(packet: Packet): void {
    const identity = packet.identity === undefined ? this.#identity : parseIdentity(packet.identity);
    if (packet.identity === undefined && identity === undefined) throw new MalformedPacket("expected an empty line");
    // Checked for each packet: a token that has been changed since is worth nothing.
    const vhost = authenticatePeer(identity, this.#context.vhosts);
    if (typeof vhost === "number") this.#refuse(vhost);
    else if (identity !== undefined) this.#obeyKnown(packet, identity, vhost);
  }

  #obeyKnown(packet: Packet, identity: Identity, vhost: Vhost): void {
    this.#onKnown();
    this.#cancelPatience();
    this.#cancelPatience = this.#context.clock.after(PATIENCE, this.#onSilence);
    const known = this.#worker === undefined ? undefined : this.#identity;
    if (known !== undefined && !isSamePeer(known, identity)) this.#refuse(400);
    else if (identity.kind === "dlr") this.#obeyWorker(packet.command, identity, vhost);
    else void this.#answer(packet, vhost);
  }

  async #answer(packet: Packet, vhost: Vhost): Promise<void> {
    this.#state = "answering";
    this.#cancelPatience();
    try {
      const answer = await answerRequest(packet, vhost, this.#context);
      if (typeof answer === "number") this.#refuse(answer);
      else this.#end(packetText(...answer));
    } catch (error) {
      this.#refuse(this.#codeOf(error));
    }
  }

  #obeyWorker(command: string, identity: Identity, vhost: Vhost): void {
    switch (command) {
      case "RD":
        this.#identity = identity;
        if (this.#worker === undefined) this.#enter(vhost, identity.uuid);
        else this.#worker.beat();
        break;
      case "HB":
        if (this.#worker === undefined) this.#end(packetText("QT"));
        else this.#worker.beat();
        break;
      case "QT":
        this.#end("");
        break;
      default:
        this.#refuse(400);
    }
  }

  #enter({ name: vhost }: Vhost, name: string): void {
    const { clock, dispatch } = this.#context;
    const worker = new WebrocketWorker({
      vhost,
      name,
      dispatch,
      clock,
      socket: this.#socket,
      onOver: (why) => {
        this.#worker = undefined;
        // A silent worker is notified when it sends again.
        if (why === "drained") this.#end(packetText("QT"));
      },
    });
    this.#worker = worker;
    worker.enter().catch((error: unknown) => {
      this.#refuse(this.#codeOf(error));
    });
  }

  #codeOf(cause: unknown): WebrocketCode {
    const error = CarillonError.from(cause);
    if (error.code === "internal") this.#context.onFault(cause);
    return toWebrocketCode("", error);
  }

  readonly #onSilence = (): void => {
    this.#refuse(400);
  };

  #refuse(code: WebrocketCode): void {
    this.#end(packetText("ER", String(code)));
  }

  /** Ends the connection with an answer. Further input is read and dropped: closing with unread input could lose the answer. */
  #end(text: string): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#cancelPatience();
    this.#release();
    this.#worker?.leave();
    this.#worker = undefined;
    this.#socket.end(text);
    const cancel = this.#context.clock.after(LINGER, () => this.#socket.destroy());
    this.#socket.once("close", cancel);
  }
}
