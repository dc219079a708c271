import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Client, Metadata, status } from "@grpc/grpc-js";
import {
  BroadcastService,
  type Request,
  RequestSchema,
  type Response,
  ResponseSchema,
} from "../../gen/websockets/v1/websockets_pb.js";
import { VHOST_HEADER } from "../access/keys/backend.js";
import { createCredentials, fromGrpcStatus } from "./grpc-client.js";

/** Milliseconds for a call, including connecting. */
const DEADLINE = 10_000;

export interface PublishClientOptions {
  /** HOST:PORT of a node's gRPC port. */
  readonly address: string;
  /** Undefined if the node needs no key. */
  readonly key: string | undefined;
  /** Undefined: the key's own vhost, or the default one. */
  readonly vhost: string | undefined;
  /** Undefined: no TLS. `ca`: PEM of the authority; undefined: the system's authorities. */
  readonly tls: { readonly ca: Buffer | undefined } | undefined;
}

/** Publisher's connection to a node, for the command line. */
export class PublishClient {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor({ address, key, tls, vhost }: PublishClientOptions) {
    if (key !== undefined) this.#metadata.set("authorization", `Bearer ${key}`);
    if (vhost !== undefined) this.#metadata.set(VHOST_HEADER, vhost);
    this.#client = new Client(address, createCredentials(tls));
  }

  /** @throws CarillonError with the server's code; unavailable: the server cannot be reached */
  publish(request: MessageInitShape<typeof RequestSchema>, options: { readonly async: boolean }): Promise<Response> {
    const method = options.async ? BroadcastService.method.publishAsync : BroadcastService.method.publish;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/${BroadcastService.typeName}/${method.name}`,
        (message: Request) => Buffer.from(toBinary(RequestSchema, message)),
        (bytes) => fromBinary(ResponseSchema, bytes),
        create(RequestSchema, request),
        this.#metadata,
        { deadline: Date.now() + DEADLINE },
        (error, response) => {
          if (error !== null || response === undefined)
            reject(fromGrpcStatus(error?.code ?? status.INTERNAL, error?.details ?? "no answer", error));
          else resolve(response);
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}
