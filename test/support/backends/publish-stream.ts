import { once } from "node:events";
import type { ClientDuplexStream, StatusObject } from "@grpc/grpc-js";
import { cleanUp } from "../clean-up.js";
import type { BroadcastClient, GrpcRequest, PeerMessage } from "./peers.js";

interface Answer {
  readonly receipts: readonly { readonly id: string; readonly stage: string }[];
}

/** PublishStream of a stock gRPC client. Answers are only read on demand. */
export class PublishStream {
  readonly call: ClientDuplexStream<GrpcRequest, Answer>;
  readonly status: Promise<StatusObject>;
  readonly #answers: AsyncIterator<Answer>;

  constructor(client: BroadcastClient) {
    this.call = client.PublishStream();
    this.status = new Promise((resolve) => {
      this.call.once("status", resolve);
    });
    this.call.on("error", () => {
      // The status event reports the error.
    });
    this.#answers = this.call.iterator({ destroyOnReturn: false }) as AsyncIterator<Answer>;
    cleanUp(() => this.call.cancel());
  }

  /** @returns false if the stream's buffer is full */
  write(...messages: PeerMessage[]): boolean {
    return this.call.write({ messages });
  }

  /** Writes as fast as flow control allows. */
  async writeAll(requests: Iterable<readonly PeerMessage[]>): Promise<void> {
    for (const messages of requests) if (!this.write(...messages)) await once(this.call, "drain");
  }

  /** Returns the ids of the next answer; undefined once the stream has ended. */
  async next(): Promise<string[] | undefined> {
    try {
      const { done, value } = await this.#answers.next();
      return done === true ? undefined : value.receipts.map(({ id }) => id);
    } catch {
      return undefined;
    }
  }
}
