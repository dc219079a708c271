import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { MAX_ANSWER, type UnaryCalls } from "./hook-calls.js";

/** Calls by Connect with JSON over HTTP/1.1, which any web framework can answer. */
export class ConnectUnary implements UnaryCalls {
  readonly #agent: HttpAgent;
  readonly #transport: Transport;
  readonly #header: Readonly<Record<string, string>>;

  /** @param url - base URL, to which the service's name is appended */
  constructor(url: string, authorization: string | undefined) {
    this.#agent = url.startsWith("https:") ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
    this.#header = authorization === undefined ? {} : { authorization };
    this.#transport = createConnectTransport({
      baseUrl: url.replace(/\/+$/, ""),
      httpVersion: "1.1",
      useBinaryFormat: false,
      readMaxBytes: MAX_ANSWER,
      nodeOptions: { agent: this.#agent },
    });
  }

  async call<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    signal: AbortSignal,
  ): Promise<MessageShape<Output>> {
    const { message } = await this.#transport.unary(method, signal, undefined, this.#header, request);
    return message;
  }

  close(): void {
    this.#agent.destroy();
  }
}
