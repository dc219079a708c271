import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, Metadata } from "@grpc/grpc-js";
import { READ_OPTIONS } from "../../rpc/decode.js";
import { findMessageExcess } from "../../rpc/request-weight.js";
import { createCredentials } from "../grpc-client.js";
import { checkAnswer, MAX_ANSWER, type UnaryCallOptions, type UnaryCalls } from "./hook-calls.js";

/** Longest wait before reconnecting to an unreachable backend, in milliseconds. gRPC's default of two minutes is too long for hooks. */
const MAX_BACKOFF = 2_000;

/** Calls by gRPC. */
export class GrpcUnary implements UnaryCalls {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  /** @param url - `grpc://HOST:PORT`, or `grpcs://HOST:PORT` with TLS */
  constructor(url: string, authorization: string | undefined) {
    const [, secure, address = ""] = /^grpc(s?):\/\/([^/]*)/.exec(url) ?? [];
    this.#client = new Client(address, createCredentials(secure === "s" ? {} : undefined), {
      "grpc.max_receive_message_length": MAX_ANSWER,
      "grpc.max_reconnect_backoff_ms": MAX_BACKOFF,
    });
    if (authorization !== undefined) this.#metadata.set("authorization", authorization);
  }

  call<Input extends DescMessage, Output extends DescMessage>(
    { input, name, output, parent }: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    { headers, signal }: UnaryCallOptions,
  ): Promise<MessageShape<Output>> {
    const metadata = this.#metadata.clone();
    for (const [header, value] of Object.entries(headers)) metadata.set(header, value);
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        `/${parent.typeName}/${name}`,
        (message: MessageShape<Input>) => Buffer.from(toBinary(input, message)),
        (bytes) => {
          checkAnswer(findMessageExcess(output, bytes));
          return fromBinary(output, bytes, READ_OPTIONS);
        },
        create(input, request),
        metadata,
        (error, answer) => {
          signal.removeEventListener("abort", cancel);
          if (answer === undefined) reject(error ?? new Error("no answer"));
          else resolve(answer);
        },
      );
      const cancel = (): void => {
        call.cancel();
      };
      signal.addEventListener("abort", cancel);
      if (signal.aborted) cancel();
    });
  }

  close(): void {
    this.#client.close();
  }
}
