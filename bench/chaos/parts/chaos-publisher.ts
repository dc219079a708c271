import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { RequestSchema, ResponseSchema, Stage } from "../../../gen/websockets/v1/websockets_pb.js";
import { PUBLISH_PATH, same } from "../../support/grpc.js";
import { pause } from "../../support/pause.js";
import type { ChaosNode } from "./chaos-node.js";
import type { Observations } from "./observations.js";

/** Time for the answer to a publish, in milliseconds. */
const PATIENCE = 10_000;
const RETRY = 150;

/** Receipt in the form that both protocols have in common. */
interface PublishReceipt {
  readonly isStored: boolean;
  readonly position: string;
  readonly duplicate: boolean;
}

export interface ChaosPublisherOptions {
  readonly name: string;
  readonly topic: string;
  /** The publisher uses these two in turn. */
  readonly nodes: readonly [ChaosNode, ChaosNode];
  readonly protocol: "connect" | "grpc";
  /** Milliseconds between messages. */
  readonly interval: number;
  readonly observed: Observations;
}

/**
 * Publisher of numbered messages, one after the other. It repeats each message with its id until a receipt says that it is
 * stored, and then once more through the other node, which must recognize it.
 */
export class ChaosPublisher {
  /** Messages with a receipt, in order. */
  readonly stored: string[] = [];
  /** Number of repeated publishes without a receipt. */
  retries = 0;
  duplicates = 0;
  readonly topic: string;
  readonly #options: ChaosPublisherOptions;
  readonly #clients: ReadonlyMap<ChaosNode, Client>;
  #number = 0;
  #running: Promise<void> | undefined;
  #stop = false;
  #halted = false;

  constructor(options: ChaosPublisherOptions) {
    this.#options = options;
    this.topic = options.topic;
    const clients = options.nodes.map((node) => {
      const retry = { "grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 500 };
      return [node, new Client(node.grpc, credentials.createInsecure(), retry)] as const;
    });
    this.#clients = new Map(clients);
  }

  start(): void {
    this.#stop = false;
    this.#running = this.#run();
  }

  /** Resolves when the current message has its receipts. */
  async stop(): Promise<void> {
    this.#stop = true;
    await this.#running;
    this.#running = undefined;
  }

  get isPaused(): boolean {
    return this.#running === undefined;
  }

  /** Stops for good, without waiting for a receipt. */
  async halt(): Promise<void> {
    this.#halted = true;
    for (const client of this.#clients.values()) client.close();
    await this.stop();
  }

  async #run(): Promise<void> {
    while (!this.#stop) {
      this.#number += 1;
      await this.#publish(`${this.topic}:${this.#options.name}:${this.#number}`);
      await pause(this.#options.interval);
    }
  }

  async #publish(message: string): Promise<void> {
    const { nodes, observed } = this.#options;
    let position = this.#number;
    let first: PublishReceipt | undefined;
    while (first === undefined) {
      if (this.#halted) return;
      const node = nodes[position % 2 === 0 ? 0 : 1];
      position += 1;
      observed.delays.publish(message);
      try {
        first = await this.#ask(node, message);
      } catch {
        this.retries += 1;
        await pause(RETRY);
      }
    }
    this.#check(message, first);
    this.stored.push(message);
    try {
      const again = await this.#ask(nodes[position % 2 === 0 ? 0 : 1], message);
      this.#check(message, again);
      if (!again.duplicate) observed.fault(`H5: ${message} was accepted twice`);
      else this.duplicates += 1;
    } catch {
      this.retries += 1;
    }
  }

  #check(message: string, { isStored, position }: PublishReceipt): void {
    const { observed, topic } = this.#options;
    if (!isStored) observed.fault(`H1: the receipt of ${message} does not say STORED`);
    if (position === "") observed.fault(`H1: the receipt of ${message} has no position`);
    else observed.locate(topic, message, position);
  }

  #ask(node: ChaosNode, message: string): Promise<PublishReceipt> {
    return this.#options.protocol === "grpc" ? this.#askGrpc(node, message) : this.#askConnect(node, message);
  }

  async #askConnect(node: ChaosNode, message: string): Promise<PublishReceipt> {
    const response = await fetch(`http://${node.http}/websockets.v1.BroadcastService/Publish`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages: [{ topics: [this.topic], text: message, id: message }] }),
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (!response.ok) throw new Error(await response.text());
    interface Answer {
      readonly receipts: readonly {
        readonly stage: string;
        readonly position?: string;
        readonly duplicate?: boolean;
      }[];
    }
    const [receipt] = ((await response.json()) as Answer).receipts;
    const { duplicate = false, position = "", stage } = receipt ?? {};
    return { isStored: stage === "STAGE_STORED", position, duplicate };
  }

  #askGrpc(node: ChaosNode, message: string): Promise<PublishReceipt> {
    const request = create(RequestSchema, { messages: [{ topics: [this.topic], text: message, id: message }] });
    return new Promise((resolve, reject) => {
      const bytes = Buffer.from(toBinary(RequestSchema, request));
      const options = { deadline: Date.now() + PATIENCE };
      this.#clients.get(node)?.makeUnaryRequest(PUBLISH_PATH, same, same, bytes, options, (error, answer) => {
        if (error !== null || answer === undefined) {
          reject(error ?? new Error("no answer"));
          return;
        }
        const [receipt] = fromBinary(ResponseSchema, answer).receipts;
        if (receipt === undefined) reject(new Error("no receipt"));
        else resolve({ ...receipt, isStored: receipt.stage === Stage.STORED });
      });
    });
  }
}
