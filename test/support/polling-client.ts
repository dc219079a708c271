/** An Engine.IO client that polls, made of plain fetch. */
export class PollingClient {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #packets: string[] = [];

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = url;
    this.#headers = headers;
  }

  /** Of a node, connected to `/`; and the session's id. */
  static async connect(http: string, auth = ""): Promise<PollingClient> {
    const path = `${http}/socket.io/?EIO=4&transport=polling`;
    const opened = await (await fetch(path)).text();
    const { sid } = JSON.parse(opened.slice(1)) as { sid: string };
    const client = new PollingClient(`${path}&sid=${sid}`);
    await client.send(`40${auth}`);
    const answer = await client.next();
    if (!answer.startsWith("40")) throw new Error(`not connected: ${answer}`);
    return client;
  }

  /** Sends packets in one request. @returns the status */
  async send(...packets: readonly string[]): Promise<number> {
    const response = await fetch(this.#url, { method: "POST", body: packets.join("\x1e"), headers: this.#headers });
    await response.arrayBuffer();
    return response.status;
  }

  /** The next packet; polls where none is there. */
  async next(): Promise<string> {
    for (;;) {
      const packet = this.#packets.shift();
      if (packet === "2") await this.send("3");
      else if (packet !== undefined) return packet;
      else {
        const response = await fetch(this.#url, { headers: this.#headers });
        if (!response.ok) throw new Error(`the poll was answered with ${response.status}`);
        this.#packets.push(...(await response.text()).split("\x1e"));
      }
    }
  }
}
