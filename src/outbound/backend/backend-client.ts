import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { VHOST_HEADER } from "../../access/keys/backend.js";
import { ConnectCalls } from "./connect-calls.js";
import { GrpcCalls } from "./grpc-calls.js";

/** Default time limit of a call, including connecting, in milliseconds. */
const DEADLINE = 10_000;

export interface BackendClientOptions {
  /** `http://` or `https://` for a node's HTTP port, with a path if a proxy has one; `grpc://` or `grpcs://` for its gRPC port. */
  readonly url: string;
  /** Undefined if the node needs no key. */
  readonly key: string | undefined;
  /** Undefined: the key's own vhost, or the default one. */
  readonly vhost: string | undefined;
  /** PEM of the authority of the node's certificate; undefined: the authorities known to Node. */
  readonly ca: Buffer | undefined;
}

/** Calls over one protocol. */
export interface BackendCalls {
  /** @throws CarillonError */
  unary<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    timeLimit: number,
  ): Promise<MessageShape<Output>>;
  /** @throws CarillonError */
  stream<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodServerStreaming<Input, Output>,
    request: MessageInitShape<Input>,
    signal: AbortSignal,
  ): AsyncIterable<MessageShape<Output>>;
  close(): void;
}

/** Backend's connection to a node, for the command line: Connect on the HTTP port, or gRPC. */
export class BackendClient {
  readonly #calls: BackendCalls;

  constructor({ ca, key, url, vhost }: BackendClientOptions) {
    const header = {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(vhost !== undefined && { [VHOST_HEADER]: vhost }),
    };
    this.#calls = url.startsWith("grpc") ? new GrpcCalls(url, header, ca) : new ConnectCalls(url, header, ca);
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
    return this.#calls.unary(method, request, timeLimit);
  }

  /**
   * Reads the messages of a stream until the signal aborts it.
   * @throws CarillonError as `call` does; cancelled: the signal
   */
  watch<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodServerStreaming<Input, Output>,
    request: MessageInitShape<Input>,
    signal: AbortSignal,
  ): AsyncIterable<MessageShape<Output>> {
    return this.#calls.stream(method, request, signal);
  }

  close(): void {
    this.#calls.close();
  }
}
