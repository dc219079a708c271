import { once } from "node:events";
import { WebSocket } from "ws";

/** Message of a page of history. */
export interface PageMessage {
  readonly payload: string;
  readonly position: string;
}

interface Answer {
  readonly topic: string;
  readonly payload: { readonly messages: readonly PageMessage[]; readonly more: boolean };
}

/** Client that reads pages of history, one after the other. */
export class HistoryClient {
  readonly #webSocket: WebSocket;

  private constructor(webSocket: WebSocket) {
    this.#webSocket = webSocket;
  }

  static async connect(port: number): Promise<HistoryClient> {
    const webSocket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { perMessageDeflate: false });
    await once(webSocket, "open");
    return new HistoryClient(webSocket);
  }

  /** Joins a topic, so that the node keeps its recent messages. No messages may be published meanwhile. */
  async join(topic: string): Promise<void> {
    this.#webSocket.send(JSON.stringify({ command: "join", topics: [topic] }));
    await once(this.#webSocket, "message");
  }

  /** Reads a page. @throws Error when it is refused */
  async read(
    topic: string,
    query: { readonly limit: number; readonly before?: string },
  ): Promise<readonly PageMessage[]> {
    this.#webSocket.send(JSON.stringify({ command: "history", topics: [topic], payload: query, id: 1 }));
    const [data] = (await once(this.#webSocket, "message")) as [Buffer];
    const text = data.toString("utf8");
    const { payload, topic: answer } = JSON.parse(text) as Answer;
    if (answer !== "@history") throw new Error(`not read: ${text.slice(0, 300)}`);
    return payload.messages;
  }

  close(): void {
    this.#webSocket.terminate();
  }
}
