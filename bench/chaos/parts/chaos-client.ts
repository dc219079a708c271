import { WebSocket } from "ws";
import { chooseDelay, parseRetryAdvice, type RetryWindow } from "../../../src/errors.js";
import { Journal } from "./journal.js";
import type { Observations } from "./observations.js";

/** Time for a handshake or the answer to a join, in milliseconds. */
const PATIENCE = 12_000;
const RETRY: RetryWindow = { from: 100, to: 500 };

/** Close code of a node that stops. */
const RESTART = 1_012;

export interface ChaosClientOptions {
  /** Addresses of the nodes, HOST:PORT. The client takes the next one after each failure. */
  readonly nodes: readonly string[];
  readonly first: number;
  readonly topics: readonly string[];
  /** Plain clients never ask for positions, and get the frames of topics without history. */
  readonly plain: boolean;
  readonly observed: Observations;
  /** Path, with the vhost. */
  readonly path?: string;
}

interface JoinAnswer {
  readonly positions?: Readonly<Record<string, string>>;
  readonly recovered?: Readonly<Record<string, boolean>>;
  readonly reasons?: Readonly<Record<string, string>>;
}

interface Frame extends JoinAnswer {
  readonly topic: string;
  readonly payload: unknown;
  readonly position?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** Client of the native dialect that stays connected, and recovers with its last positions. */
export class ChaosClient {
  readonly journals: ReadonlyMap<string, Journal>;
  readonly positions = new Map<string, string>();
  readonly plain: boolean;
  readonly #options: ChaosClientOptions;
  #webSocket: WebSocket | undefined;
  #node: number;
  #joined = false;
  /** Time of the last join, as of `performance.now()`. */
  #joinedAt = 0;
  #away = false;
  #timer: NodeJS.Timeout | undefined;
  #onJoined: (() => void)[] = [];

  constructor(options: ChaosClientOptions) {
    this.#options = options;
    this.plain = options.plain;
    this.#node = options.first;
    this.journals = new Map(options.topics.map((topic) => [topic, new Journal()]));
  }

  connect(): void {
    this.#away = false;
    const { nodes, path = "/ws", plain } = this.#options;
    const url = `ws://${nodes[this.#node % nodes.length]}${path}${plain ? "" : "?meta=1"}`;
    const webSocket = new WebSocket(url, { perMessageDeflate: false, handshakeTimeout: PATIENCE });
    this.#webSocket = webSocket;
    webSocket.on("open", () => {
      this.#join(webSocket);
    });
    webSocket.on("message", (data: Buffer) => {
      if (this.#webSocket === webSocket) this.#take(data.toString("utf8"), webSocket);
    });
    webSocket.on("error", () => {
      // The close event follows.
    });
    let advice: RetryWindow | undefined;
    webSocket.on("unexpected-response", (_request, response) => {
      const seconds = Number(response.headers["retry-after"] ?? Number.NaN);
      if (seconds > 0) advice = { from: seconds * 1_000, to: seconds * 1_000 + RETRY.to };
      response.destroy();
      webSocket.terminate();
    });
    webSocket.on("close", (code, text) => {
      advice ??= parseRetryAdvice(text.toString());
      if (code === RESTART && advice === undefined) this.#options.observed.fault("L23: closed without advice");
      if (this.#webSocket === webSocket) this.#lost(advice);
    });
  }

  /** Resolves when the client is in its topics. */
  joined(): Promise<void> {
    if (this.#joined) return Promise.resolve();
    return new Promise((resolve) => this.#onJoined.push(resolve));
  }

  /** Disconnects, and stays away until `connect`. */
  leave(): void {
    this.#away = true;
    this.#webSocket?.terminate();
    this.#webSocket = undefined;
    this.#lost();
  }

  /** Loses its connection, and comes back at once. Does nothing while it is away. */
  interrupt(): void {
    this.#webSocket?.terminate();
  }

  /** @param advice - when the node has told it to come back */
  #lost(advice: RetryWindow = RETRY): void {
    clearTimeout(this.#timer);
    this.#joined = false;
    this.#webSocket = undefined;
    if (this.plain) for (const journal of this.journals.values()) journal.end();
    if (this.#away) return;
    this.#node += 1;
    this.#timer = setTimeout(() => {
      this.connect();
    }, chooseDelay(advice));
  }

  #join(webSocket: WebSocket): void {
    const topics = [...this.journals.keys()];
    const recover = Object.fromEntries(this.positions);
    webSocket.send(JSON.stringify({ command: "join", topics, ...(this.plain ? {} : { recover, id: 1 }) }));
    this.#timer = setTimeout(() => {
      webSocket.terminate();
    }, PATIENCE);
  }

  #take(text: string, webSocket: WebSocket): void {
    const frame = JSON.parse(text) as Frame;
    if (frame.topic === "@join") {
      clearTimeout(this.#timer);
      if (this.plain) this.#checkPlain(text, ["topic", "payload"], frame);
      this.#enter(frame);
    } else if (frame.topic === "#join") {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        if (webSocket.readyState === WebSocket.OPEN) this.#join(webSocket);
      }, chooseDelay(RETRY));
    } else if (frame.topic.startsWith("#") || frame.topic.startsWith("@")) {
      this.#options.observed.fault(`unexpected frame ${text.slice(0, 200)}`);
    } else {
      this.#receive(frame, text);
    }
  }

  #enter({ positions = {}, reasons = {}, recovered = {} }: JoinAnswer): void {
    const { observed } = this.#options;
    for (const [topic, journal] of this.journals) {
      const asked = this.positions.has(topic);
      const hasResult = recovered[topic] !== undefined;
      if (!this.plain && asked !== hasResult) observed.fault(`H3: ${topic} has no result`);
      if (recovered[topic] ?? false) {
        // The position stays that of the last message received: the connection may end before the missed ones arrive.
        observed.recovered += 1;
        journal.recover();
      } else {
        if (hasResult) this.#refused(topic, reasons[topic]);
        journal.begin(positions[topic], reasons[topic]);
        if (positions[topic] !== undefined) this.positions.set(topic, positions[topic]);
        else this.positions.delete(topic);
      }
    }
    this.#joined = true;
    this.#joinedAt = performance.now();
    for (const resolve of this.#onJoined.splice(0)) resolve();
  }

  #refused(topic: string, reason: string | undefined): void {
    const { observed } = this.#options;
    if (reason === undefined) observed.fault(`H3: no reason for ${topic}`);
    observed.countRefused(reason ?? "none");
  }

  #receive(frame: Frame, text: string): void {
    const { observed } = this.#options;
    const message = String(frame.payload);
    this.journals.get(frame.topic)?.add(message);
    observed.delays.receive(message, this.#joinedAt);
    if (this.plain) {
      this.#checkPlain(text, ["topic", "payload"], frame);
    } else if (frame.position === undefined) {
      observed.fault(`H1: ${message} has no position`);
    } else {
      this.positions.set(frame.topic, frame.position);
      observed.locate(frame.topic, message, frame.position);
    }
  }

  /** Checks that a frame is what clients got before there was history, byte for byte. */
  #checkPlain(text: string, members: readonly string[], frame: Frame): void {
    const values = frame as unknown as Readonly<Record<string, unknown>>;
    const expected = JSON.stringify(Object.fromEntries(members.map((name) => [name, values[name]])));
    if (text !== expected) this.#options.observed.fault(`H7: a plain client got ${text.slice(0, 200)}`);
  }
}
