import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, type DescMessage, type DescMethodUnary, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { VHOST_HEADER } from "../access/keys/backend.js";
import type { CarillonError } from "../errors.js";
import { fromGrpcStatus } from "./grpc-client.js";

/** Default time limit of a call, including connecting, in milliseconds. */
const DEADLINE = 10_000;

export interface BackendClientOptions {
  /** HOST:PORT of a node's gRPC port. */
  readonly address: string;
  /** Undefined if the node needs no key. */
  readonly key: string | undefined;
  /** Undefined: the key's own vhost, or the default one. */
  readonly vhost: string | undefined;
  /** Undefined: no TLS. `ca`: PEM of the authority; undefined: the system's authorities. */
  readonly tls: { readonly ca: Buffer | undefined } | undefined;
}

/** Backend's connection to the gRPC port of a node, for the command line. */
export class BackendClient {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor({ address, key, tls, vhost }: BackendClientOptions) {
    if (key !== undefined) this.#metadata.set("authorization", `Bearer ${key}`);
    if (vhost !== undefined) this.#metadata.set(VHOST_HEADER, vhost);
    // A page of stored messages may hold one message that is larger than the default limit.
    this.#client = new Client(address, createCredentials(tls), { "grpc.max_receive_message_length": -1 });
  }

  /**
   * @param timeLimit - in milliseconds, including connecting
   * @throws CarillonError with the server's code; unavailable: the server cannot be reached
   */
  call<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    timeLimit = DEADLINE,
  ): Promise<MessageShape<Output>> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/${method.parent.typeName}/${method.name}`,
        (message: MessageShape<Input>) => Buffer.from(toBinary(method.input, message)),
        (bytes) => fromBinary(method.output, bytes),
        create(method.input, request),
        this.#metadata,
        { deadline: Date.now() + timeLimit },
        (error, response) => {
          if (error !== null || response === undefined) reject(toError(error));
          else resolve(response);
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}

function createCredentials(tls: BackendClientOptions["tls"]): ChannelCredentials {
  return tls === undefined ? credentials.createInsecure() : credentials.createSsl(tls.ca);
}

function toError(error: ServiceError | null): CarillonError {
  return fromGrpcStatus(error?.code ?? status.INTERNAL, error?.details ?? "no answer", { cause: error });
}
