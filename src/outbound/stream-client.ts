import {
  create,
  type DescMessage,
  type DescMethodBiDiStreaming,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, Metadata, status } from "@grpc/grpc-js";
import { VHOST_HEADER } from "../access/keys/backend.js";
import { type CarillonError, invalidArgument } from "../errors.js";
import { createCredentials, fromGrpcStatus, type GrpcClientTls } from "./grpc-client.js";
import { readRetryDelay } from "./retry-info.js";

/** Longest wait before reconnecting to an unreachable node, in milliseconds. gRPC's default of two minutes is too long. */
const MAX_BACKOFF = 5_000;
/** Interval of pings and timeout of their answers, in milliseconds. They detect a failed node. */
const KEEPALIVE = { time: 15_000, timeout: 5_000 } as const;

/** Options for programs that connect to a node. */
export interface NodeConnectionOptions {
  /** A node's gRPC port: `grpc://HOST:PORT`, or `grpcs://HOST:PORT` with TLS. */
  readonly url: string;
  /** Key of the backend. Not needed if the node requires no key, or the program has a client certificate. */
  readonly key?: string;
  /** Default: the key's own vhost, or `/`. */
  readonly vhost?: string;
  /** PEM of an additional authority, and of a client certificate. Only allowed with `grpcs://`. */
  readonly tls?: GrpcClientTls;
}

/** Events of one stream. */
export interface StreamEvents<Response> {
  readonly onResponse: (response: Response) => void;
  /** Called once. @param failure - undefined: the stream ended with OK */
  readonly onEnd: (failure: CarillonError | undefined) => void;
}

/** Client's side of one stream. */
export interface StreamCall<Request> {
  /** @returns whether the connection accepts more; if not, wait for {@link drained} */
  send(request: Request): boolean;
  /** Resolves when the connection accepts more, or the stream has ended. */
  drained(): Promise<void>;
  /** Sends no more. The stream ends when the node has answered everything. */
  end(): void;
  /** Ends the stream at once. */
  cancel(): void;
}

/** Connection to a node for streams of one method. */
export class StreamClient<Input extends DescMessage, Output extends DescMessage> {
  readonly #method: DescMethodBiDiStreaming<Input, Output>;
  readonly #client: Client;
  readonly #metadata = new Metadata();

  /** @throws CarillonError invalid_argument: the URL */
  constructor(method: DescMethodBiDiStreaming<Input, Output>, options: NodeConnectionOptions) {
    const { key, vhost } = options;
    const { address, tls } = readAddress(options);
    this.#method = method;
    this.#client = new Client(address, createCredentials(tls), {
      "grpc.max_reconnect_backoff_ms": MAX_BACKOFF,
      "grpc.keepalive_time_ms": KEEPALIVE.time,
      "grpc.keepalive_timeout_ms": KEEPALIVE.timeout,
      // The node bounds the size of messages.
      "grpc.max_receive_message_length": -1,
    });
    if (key !== undefined) this.#metadata.set("authorization", `Bearer ${key}`);
    if (vhost !== undefined) this.#metadata.set(VHOST_HEADER, vhost);
  }

  open({ onEnd, onResponse }: StreamEvents<MessageShape<Output>>): StreamCall<MessageInitShape<Input>> {
    const { input, name, output, parent } = this.#method;
    const call = this.#client.makeBidiStreamRequest(
      `/${parent.typeName}/${name}`,
      (message: MessageShape<Input>) => Buffer.from(toBinary(input, message)),
      (bytes) => fromBinary(output, bytes),
      this.#metadata,
    );
    call.on("data", onResponse);
    call.on("error", () => {
      // The status event reports the error.
    });
    call.once("status", ({ code, details, metadata }) => {
      onEnd(code === status.OK ? undefined : fromGrpcStatus(code, details, { retryDelay: readRetryDelay(metadata) }));
    });
    return {
      send: (request) => call.write(create(input, request)),
      drained: () => drained(call),
      end: () => {
        call.end();
      },
      cancel: () => {
        call.cancel();
      },
    };
  }

  close(): void {
    this.#client.close();
  }
}

/** @throws CarillonError invalid_argument */
function readAddress({ tls, url }: NodeConnectionOptions) {
  const [, secure, address = ""] = /^grpc(s?):\/\/([^/?#]+)\/?$/.exec(url) ?? [];
  if (address === "")
    throw invalidArgument(`url: expected grpc://HOST:PORT or grpcs://HOST:PORT, got ${JSON.stringify(url)}`);
  if (secure === "" && tls !== undefined) throw invalidArgument("tls: requires a grpcs:// url");
  return { address, tls: secure === "s" ? (tls ?? {}) : undefined };
}

function drained<Request, Response>(call: ClientDuplexStream<Request, Response>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off("drain", done);
      call.off("status", done);
      resolve();
    };
    call.once("drain", done);
    call.once("status", done);
  });
}
