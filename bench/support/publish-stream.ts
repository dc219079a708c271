import { Client, type ClientDuplexStream, credentials, Metadata } from "@grpc/grpc-js";
import type { Entry } from "./contender.js";
import { STREAM_PATH, same } from "./grpc.js";
import { encodeEntries } from "./requests.js";

/**
 * One PublishStream for a whole benchmark. The requests of a stream are handled in order; concurrent unary calls may not be,
 * because HTTP/2 may deliver the second one before a large first one.
 */
export class PublishStream {
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #waiting: { readonly resolve: () => void; readonly reject: (cause: Error) => void }[] = [];

  /**
   * @param address - HOST:PORT of a node's gRPC port
   * @param key - key of the publisher; undefined if the node requires none
   */
  constructor(address: string, key?: string) {
    const metadata = new Metadata();
    if (key !== undefined) metadata.set("authorization", `Bearer ${key}`);
    this.#client = new Client(address, credentials.createInsecure());
    this.#call = this.#client.makeBidiStreamRequest(STREAM_PATH, same, same, metadata);
    this.#call.on("data", () => this.#waiting.shift()?.resolve());
    this.#call.on("error", (cause) => {
      for (const { reject } of this.#waiting.splice(0)) reject(cause);
    });
  }

  /** Publishes messages in one request. Resolves with its answer. */
  publish(entries: readonly Entry[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#call.write(encodeEntries(entries));
    });
  }

  close(): void {
    this.#client.close();
  }
}
