import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, type ClientReadableStream, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { CarillonError } from "../../errors.js";
import { CONNECTION_LOST, createCredentials, fromGrpcStatus } from "../grpc-client.js";
import type { BackendCalls } from "./backend-client.js";

/**
 * Details of grpc-js when a server does not speak HTTP/2, or closes the connection before that is noticed. Servers may name the
 * same errors in details of their own.
 */
const NOT_CONNECTED =
  /^No connection established\. Last error: .*?\b(Protocol error|ECONNRESET|EPIPE|Failed to connect)\b/;

/** Calls by gRPC. */
export class GrpcCalls implements BackendCalls {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor(url: string, header: Readonly<Record<string, string>>, ca: Buffer | undefined) {
    const tls = url.startsWith("grpcs:") ? { ca } : undefined;
    for (const [name, value] of Object.entries(header)) this.#metadata.set(name, value);
    // A page of stored messages may hold one message that is larger than the default limit.
    const options = { "grpc.max_receive_message_length": -1 };
    this.#client = new Client(url.replace(/^grpcs?:\/\//, ""), createCredentials(tls), options);
  }

  unary<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    timeLimit: number,
  ): Promise<MessageShape<Output>> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        toPath(method),
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

  async *stream<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodServerStreaming<Input, Output>,
    request: MessageInitShape<Input>,
    signal: AbortSignal,
  ): AsyncGenerator<MessageShape<Output>> {
    const call: ClientReadableStream<MessageShape<Output>> = this.#client.makeServerStreamRequest(
      toPath(method),
      (message: MessageShape<Input>) => Buffer.from(toBinary(method.input, message)),
      (bytes) => fromBinary(method.output, bytes),
      create(method.input, request),
      this.#metadata,
    );
    const cancel = (): void => {
      call.cancel();
    };
    signal.addEventListener("abort", cancel);
    try {
      yield* call as AsyncIterable<MessageShape<Output>>;
    } catch (cause) {
      throw toError(cause as ServiceError);
    } finally {
      signal.removeEventListener("abort", cancel);
      cancel();
    }
  }

  close(): void {
    this.#client.close();
  }
}

function toPath({ name, parent }: DescMethodUnary | DescMethodServerStreaming): string {
  return `/${parent.typeName}/${name}`;
}

function toError(cause: ServiceError | null): CarillonError {
  const { code = status.INTERNAL, details = "no answer" } = cause ?? {};
  const [, reason] = NOT_CONNECTED.exec(details) ?? [];
  if (reason === undefined) return fromGrpcStatus(code, details, { cause });
  const text = reason === "Protocol error" ? "the server does not speak gRPC" : CONNECTION_LOST;
  return new CarillonError("unavailable", `${text}; for an HTTP port use http://`, { cause });
}
