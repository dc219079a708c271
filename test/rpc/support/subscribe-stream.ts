import type { MessageShape } from "@bufbuild/protobuf";
import { SubscribeService, type SubscribeStreamResponseSchema } from "../../../gen/carillon/v1/subscribe_pb.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { TestBackend } from "../../support/backends/backend.js";
import { statusOf, type TestCaller, type TestHeaders } from "../../support/backends/mounts.js";
import type { TestNode } from "../../support/nodes/node.js";

type Response = MessageShape<typeof SubscribeStreamResponseSchema>;

/** Settings with which the topics `room*` have a history of 100 messages. */
export const ROOMS_WITH_HISTORY = {
  history: { chat: { messages: 100, age: "5m" } },
  topics: [{ match: "room*", history: "chat" }],
};

/** Stream of a backend, read message by message. */
export class TestStream {
  readonly #responses: AsyncGenerator<Response>;
  readonly #messages: Response["messages"] = [];

  constructor(caller: TestCaller, request: object, headers: TestHeaders = {}) {
    this.#responses = caller.open(SubscribeService.method.subscribe, request, headers) as AsyncGenerator<Response>;
  }

  /** Resolves with the next response. Rejects with the status of a stream that has ended. */
  async response(): Promise<Response> {
    const { done, value } = await this.#responses.next();
    if (done === true) throw new Error("the stream has ended without a status");
    return value;
  }

  /** Resolves with the answer to the request, which is alone in the first response. */
  async subscribed() {
    const { messages, subscribed } = await this.response();
    if (subscribed === undefined || messages.length > 0) throw new Error("the first response is no answer");
    const { positions, reasons, recovered } = subscribed;
    return { positions, reasons, recovered };
  }

  async next() {
    while (this.#messages.length === 0) this.#messages.push(...(await this.response()).messages);
    const { event, id, payload, position, time, topic } = this.#messages.shift() as Response["messages"][number];
    return { topic, event, id, position, text: Buffer.from(payload).toString(), seconds: Number(time?.seconds) };
  }

  async texts(count: number): Promise<string[]> {
    const texts: string[] = [];
    while (texts.length < count) texts.push((await this.next()).text);
    return texts;
  }

  /** Reads until the stream ends. Resolves with its status. */
  async status() {
    for (;;) {
      try {
        await this.response();
      } catch (cause) {
        return statusOf(cause);
      }
    }
  }

  async close(): Promise<void> {
    await this.#responses.return(undefined);
  }
}

/** Publishes texts, each with the id `id-TEXT`. Resolves with their positions. */
export async function publishAll(node: TestNode, topic: string, texts: readonly string[]): Promise<string[]> {
  const backend = new TestBackend(node);
  const positions: string[] = [];
  for (const text of texts) {
    const { receipts } = await backend.call(BroadcastService.method.publish, {
      messages: [{ topics: [topic], text, id: `id-${text.slice(0, 20)}`, event: "said" }],
    });
    positions.push(receipts[0]?.position ?? "");
  }
  return positions;
}
