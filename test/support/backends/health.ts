import { once } from "node:events";
import {
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath } from "grpc-health-check";
import { cleanUp } from "../clean-up.js";
import type { TestNode } from "../nodes/node.js";

/** Stock client of grpc.health.v1.Health, loaded from its .proto file. */
export class HealthClient {
  readonly #client;

  constructor(node: Pick<TestNode, "grpc">) {
    const loaded = loadPackageDefinition(loadSync(protoPath, { enums: String, defaults: true })) as unknown as {
      grpc: { health: { v1: { Health: ServiceClientConstructor } } };
    };
    this.#client = new loaded.grpc.health.v1.Health(node.grpc, credentials.createInsecure());
    cleanUp(() => this.#client.close());
  }

  /** Returns the status of a service, or the error's code. */
  check(service = ""): Promise<string | number> {
    return new Promise((resolve) => {
      this.#client["Check"]?.({ service }, (error: ServiceError | null, answer?: { status: string }) => {
        resolve(error === null ? (answer?.status ?? "") : error.code);
      });
    });
  }

  watch(service = ""): HealthWatch {
    return new HealthWatch(this.#client["Watch"]?.({ service }) as ClientReadableStream<{ status: string }>);
  }
}

/** Statuses in the order received. */
export class HealthWatch {
  /** Error with which the stream ended. */
  readonly ended: Promise<ServiceError>;
  readonly #stream: ClientReadableStream<{ status: string }>;
  readonly #seen: string[] = [];

  constructor(stream: ClientReadableStream<{ status: string }>) {
    this.#stream = stream;
    stream.on("data", ({ status }) => this.#seen.push(status));
    this.ended = new Promise((resolve) => {
      stream.once("error", resolve);
    });
    cleanUp(() => stream.cancel());
  }

  /** Resolves when this status has been received. */
  async until(status: string): Promise<void> {
    while (!this.#seen.includes(status)) await once(this.#stream, "data");
    this.#seen.splice(0, this.#seen.indexOf(status) + 1);
  }
}
