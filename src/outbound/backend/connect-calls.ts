import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { CarillonError } from "../../errors.js";
import { isDisconnect } from "../../rpc/faults.js";
import { CONNECTION_LOST, fromGrpcStatus } from "../grpc-client.js";
import type { BackendCalls } from "./backend-client.js";

/** Codes that Connect gives to connections that end during a call. */
const LOST: ReadonlySet<Code> = new Set([Code.Aborted, Code.Internal, Code.Unknown]);

/** Calls by Connect over HTTP/1.1, with keep-alive. */
export class ConnectCalls implements BackendCalls {
  readonly #agent: HttpAgent;
  readonly #transport: Transport;
  readonly #header: Readonly<Record<string, string>>;

  constructor(url: string, header: Readonly<Record<string, string>>, ca: Buffer | undefined) {
    const keepAlive = true;
    this.#agent = url.startsWith("https:") ? new HttpsAgent({ keepAlive, ca }) : new HttpAgent({ keepAlive });
    this.#transport = createConnectTransport({
      baseUrl: url,
      httpVersion: "1.1",
      nodeOptions: { agent: this.#agent },
    });
    this.#header = header;
  }

  async unary<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    timeLimit: number,
  ): Promise<MessageShape<Output>> {
    try {
      const { message } = await this.#transport.unary(method, undefined, timeLimit, this.#header, request);
      return message;
    } catch (cause) {
      throw toError(cause);
    }
  }

  async *stream<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodServerStreaming<Input, Output>,
    request: MessageInitShape<Input>,
    signal: AbortSignal,
  ): AsyncGenerator<MessageShape<Output>> {
    try {
      const requests = (async function* () {
        yield request;
      })();
      const { message } = await this.#transport.stream(method, signal, undefined, this.#header, requests);
      yield* message;
    } catch (cause) {
      throw toError(cause);
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}

function toError(cause: unknown): CarillonError {
  const { code, rawMessage } = ConnectError.from(cause);
  const otherPort = (reason: string): CarillonError =>
    new CarillonError("unavailable", `${reason}; for a gRPC port use grpc://`, { cause });
  // Node's error when a server does not speak HTTP/1.1. Such a server may also close the connection before that is noticed.
  if (rawMessage.startsWith("Parse Error")) return otherPort("the server does not speak HTTP/1.1");
  if (LOST.has(code) && isDisconnect(cause)) return otherPort(CONNECTION_LOST);
  return fromGrpcStatus(code, rawMessage, { cause });
}
