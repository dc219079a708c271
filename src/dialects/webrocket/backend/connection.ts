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

/** Time within which a packet must be complete, in milliseconds. Workers send heartbeats much more often. */
const PACKET_TIMEOUT = 10_000;

/** Time for a peer to close its side of the connection after this node's, in milliseconds. */
const CLOSE_TIMEOUT = 2_000;

export interface BackendConnectionContext extends RequestServices {
  readonly vhosts: VhostDirectory;
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  /** Largest packet, in bytes. */
  readonly packetBytes: number;
  readonly budget: ByteBudget;
  /** Receives errors that are faults of this server, not refusals. */
  readonly onFault: (cause: unknown) => void;
}

/** Commands that a worker sends without its identity. */
const BARE_COMMANDS: ReadonlySet<string> = new Set(["HB", "QT"]);

/** Connection of a backend: a client with one request, or a worker. */
export class BackendConnection {
  readonly #socket: Socket;
  readonly #context: BackendConnectionContext;
  readonly #reader: PacketReader;
  readonly #address: string;
  /** Counts the bytes of an incomplete packet; undefined for none. */
  #lease: ByteLease | undefined;
  #worker: WebrocketWorker | undefined;
  /** Sender of this connection's bare packets, which its `RD` packet has set. */
  #identity: Identity | undefined;
  /** Path of the vhost that the connection was last admitted to. */
  #vhost: string | undefined;
  #state: "reading" | "answering" | "ended" = "reading";
  #cancelTimeout: () => void;
  readonly #onKnown: () => void;

  /** @param onKnown - called for each packet from an authenticated backend */
  constructor(socket: Socket, context: BackendConnectionContext, onKnown: () => void) {
    this.#onKnown = onKnown;
    this.#socket = socket;
    this.#context = context;
    this.#address = normalizeIpAddress(socket.remoteAddress ?? "") ?? "";
    this.#reader = new PacketReader(context.packetBytes);
    this.#cancelTimeout = context.clock.after(PACKET_TIMEOUT, this.#onTimeout);
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
      this.#cancelTimeout();
      this.#worker?.end();
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
    // Each connection serves one request.
    if (this.#state !== "reading") return;
    try {
      this.#reader.push(chunk);
      for (let packet = this.#next(); packet !== undefined; packet = this.#next()) this.#handle(packet);
      this.#count();
    } catch (cause) {
      if (!(cause instanceof MalformedPacket)) this.#context.onFault(cause);
      this.#refuse(cause instanceof MalformedPacket ? 400 : 597);
    }
  }

  /** Counts the bytes of an incomplete packet. */
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

  /** Returns the next packet. Before a worker is ready, the packet is only parsed if its first line is a valid identity. */
  #next(): Packet | undefined {
    if (this.#state !== "reading") return undefined;
    if (this.#identity === undefined) {
      const line = this.#reader.firstLine();
      if (line === undefined || !this.#admits(line)) return undefined;
    }
    return this.#reader.next();
  }

  /** Returns whether the peer is admitted; otherwise ends its connection. */
  #admits(line: string): boolean {
    if (line === "" || line === "\r") throw new MalformedPacket("expected an identity");
    if (BARE_COMMANDS.has(line)) {
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

  #handle(packet: Packet): void {
    const identity = packet.identity === undefined ? this.#identity : parseIdentity(packet.identity);
    if (packet.identity === undefined && identity === undefined) throw new MalformedPacket("expected an empty line");
    // Checked for each packet, because the token may have been replaced.
    const vhost = authenticatePeer(identity, this.#context.vhosts);
    if (typeof vhost === "number") this.#refuse(vhost);
    else if (identity !== undefined) this.#handleAuthenticated(packet, identity, vhost);
  }

  #handleAuthenticated(packet: Packet, identity: Identity, vhost: Vhost): void {
    this.#onKnown();
    this.#cancelTimeout();
    this.#cancelTimeout = this.#context.clock.after(PACKET_TIMEOUT, this.#onTimeout);
    const known = this.#worker === undefined ? undefined : this.#identity;
    if (known !== undefined && !isSamePeer(known, identity)) this.#refuse(400);
    else if (identity.kind === "dlr") this.#handleWorkerCommand(packet.command, identity, vhost);
    else void this.#answer(packet, vhost);
  }

  async #answer(packet: Packet, vhost: Vhost): Promise<void> {
    this.#state = "answering";
    this.#cancelTimeout();
    try {
      const answer = await answerRequest(packet, vhost, this.#context);
      if (typeof answer === "number") this.#refuse(answer);
      else this.#end(packetText(...answer));
    } catch (error) {
      this.#refuse(this.#toCode(error));
    }
  }

  #handleWorkerCommand(command: string, identity: Identity, vhost: Vhost): void {
    switch (command) {
      case "RD":
        this.#identity = identity;
        if (this.#worker === undefined) this.#registerWorker(vhost, identity.uuid);
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

  #registerWorker({ name: vhost }: Vhost, name: string): void {
    const { clock, dispatch } = this.#context;
    const worker = new WebrocketWorker({
      vhost,
      name,
      dispatch,
      clock,
      socket: this.#socket,
      onOver: (why) => {
        this.#worker = undefined;
        // A silent worker is told to quit when it sends again.
        if (why === "drained") this.#end(packetText("QT"));
      },
    });
    this.#worker = worker;
    worker.register().catch((error: unknown) => {
      this.#refuse(this.#toCode(error));
    });
  }

  #toCode(cause: unknown): WebrocketCode {
    const error = CarillonError.from(cause);
    if (error.code === "internal") this.#context.onFault(cause);
    return toWebrocketCode("", error);
  }

  readonly #onTimeout = (): void => {
    this.#refuse(400);
  };

  #refuse(code: WebrocketCode): void {
    this.#end(packetText("ER", String(code)));
  }

  /**
   * Ends the connection with an answer. Further input is read and discarded, because closing with unread input could lose the
   * answer.
   */
  #end(text: string): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#cancelTimeout();
    this.#release();
    this.#worker?.end();
    this.#worker = undefined;
    this.#socket.end(text);
    const cancel = this.#context.clock.after(CLOSE_TIMEOUT, () => this.#socket.destroy());
    this.#socket.once("close", cancel);
  }
}
