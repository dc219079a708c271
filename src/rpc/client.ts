import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import {
  BroadcastService,
  type Request,
  RequestSchema,
  type Response,
  ResponseSchema,
} from "../../gen/websockets/v1/websockets_pb.js";
import { CarillonError, type ErrorCode, GRPC_STATUS } from "../errors.js";

/** Milliseconds that a call may take, connecting included. */
const DEADLINE = 10_000;

/** A publisher's connection to a node, for the command line. */
export class PublishClient {
  readonly #client: Client;

  /** @param address - HOST:PORT of a node's gRPC port */
  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure());
  }

  /** @throws CarillonError with the server's code; unavailable when it cannot be reached */
  publish(request: MessageInitShape<typeof RequestSchema>, options: { readonly async: boolean }): Promise<Response> {
    const method = options.async ? BroadcastService.method.publishAsync : BroadcastService.method.publish;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/${BroadcastService.typeName}/${method.name}`,
        (message: Request) => Buffer.from(toBinary(RequestSchema, message)),
        (bytes) => fromBinary(ResponseSchema, bytes),
        create(RequestSchema, request),
        { deadline: Date.now() + DEADLINE },
        (error, response) => {
          if (error !== null || response === undefined) reject(errorOf(error));
          else resolve(response);
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}

function errorOf(error: ServiceError | null): CarillonError {
  const number: number = error?.code ?? status.INTERNAL;
  const codes = Object.entries(GRPC_STATUS) as [ErrorCode, number][];
  const code = codes.find(([, candidate]) => candidate === number)?.[0] ?? "internal";
  return new CarillonError(code, error?.details ?? "no answer", { cause: error });
}
