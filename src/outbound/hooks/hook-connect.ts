import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { createNodeHttpClient } from "@connectrpc/connect-node";
import { findJsonMessageExcess } from "../../rpc/request-weight.js";
import { checkAnswer, MAX_ANSWER, type UnaryCallOptions, type UnaryCalls } from "./hook-calls.js";

/** Calls by Connect with JSON over HTTP/1.1, which any web framework can answer. */
export class ConnectUnary implements UnaryCalls {
  readonly #agent: HttpAgent;
  readonly #transport: Transport;
  readonly #header: Readonly<Record<string, string>>;

  /** @param url - base URL, to which the service's name is appended */
  constructor(url: string, authorization: string | undefined) {
    this.#agent = url.startsWith("https:") ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
    this.#header = authorization === undefined ? {} : { authorization };
    const send = createNodeHttpClient({ httpVersion: "1.1", nodeOptions: { agent: this.#agent } });
    this.#transport = createTransport({
      baseUrl: url.replace(/\/+$/, ""),
      httpClient: async (request) => {
        const response = await send(request);
        return { ...response, body: checkBody(response.body) };
      },
      useBinaryFormat: false,
      interceptors: [],
      // Checking the weight needs uncompressed JSON.
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: 0,
      readMaxBytes: MAX_ANSWER,
      writeMaxBytes: Number.MAX_SAFE_INTEGER,
    });
  }

  async call<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    { headers, signal }: UnaryCallOptions,
  ): Promise<MessageShape<Output>> {
    const { message } = await this.#transport.unary(
      method,
      signal,
      undefined,
      { ...headers, ...this.#header },
      request,
    );
    return message;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/**
 * Passes on the body of an answer as a whole, after checking it.
 * @throws Error when the body is too large, or JSON with too many fields (rule E10)
 */
async function* checkBody(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.byteLength;
    if (size > MAX_ANSWER) throw new Error(`the answer is larger than ${MAX_ANSWER} bytes`);
    parts.push(part);
  }
  const bytes = Buffer.concat(parts);
  // Checked as if it were a Struct, because the values of a Struct take the longest to decode.
  checkAnswer(findJsonMessageExcess(StructSchema, bytes.toString()));
  yield bytes;
}
