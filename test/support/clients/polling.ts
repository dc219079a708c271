export type EngineVersion = 3 | 4;

/** Engine.IO client that polls with plain fetch. */
export class PollingClient {
  /** URL of the polls. */
  readonly url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #version: EngineVersion;
  readonly #packets: string[] = [];

  constructor(url: string, headers: Readonly<Record<string, string>> = {}, version: EngineVersion = 4) {
    this.url = url;
    this.#headers = headers;
    this.#version = version;
  }

  /** Opens a connection without a namespace; with Engine.IO 3, in `/`, to which the server connects it. */
  static async open(http: string, version: EngineVersion = 4): Promise<PollingClient> {
    const path = `${http}/socket.io/?EIO=${version}&transport=polling${version === 3 ? "&b64=1" : ""}`;
    const opened = await (await fetch(path)).text();
    const { sid } = JSON.parse(opened.slice(opened.indexOf("{"))) as { sid: string };
    return new PollingClient(`${path}&sid=${sid}`, {}, version);
  }

  /** Opens a client of a node, connected to `/`. */
  static async connect(http: string, auth = "", version: EngineVersion = 4): Promise<PollingClient> {
    const client = await PollingClient.open(http, version);
    if (version === 4) await client.send(`40${auth}`);
    const answer = await client.next();
    if (!answer.startsWith("40")) throw new Error(`not connected: ${answer}`);
    return client;
  }

  /** Sends packets in one request. @returns the status */
  send(...packets: readonly string[]): Promise<number> {
    return this.post(this.#version === 4 ? packets.join("\x1e") : packets.map(lengthAndPacket).join(""));
  }

  /** Sends a raw body. @returns the status */
  async post(body: string | Buffer): Promise<number> {
    const type = typeof body === "string" ? "text/plain;charset=UTF-8" : "application/octet-stream";
    const headers = { "content-type": type, ...this.#headers };
    const response = await fetch(this.url, { method: "POST", body: body as BodyInit, headers });
    await response.arrayBuffer();
    return response.status;
  }

  /** Returns the next packet; polls when none is queued. */
  async next(): Promise<string> {
    for (;;) {
      const packet = this.#packets.shift();
      if (packet === "2") await this.send("3");
      else if (packet !== undefined) return packet;
      else this.#packets.push(...(await this.poll()));
    }
  }

  /** Polls once and returns the packets of the response. */
  async poll(): Promise<string[]> {
    const response = await fetch(this.url, { headers: this.#headers });
    if (!response.ok) throw new Error(`the poll was answered with ${response.status}`);
    const text = await response.text();
    return this.#version === 4 ? text.split("\x1e") : packetsOf(text);
  }

  /** URL at which the same connection may upgrade to WebSocket. */
  get webSocketUrl(): string {
    return this.url.replace("http", "ws").replace("polling", "websocket");
  }
}

function lengthAndPacket(packet: string): string {
  return `${packet.length}:${packet}`;
}

function packetsOf(payload: string): string[] {
  const packets: string[] = [];
  for (let at = 0; at < payload.length; ) {
    const begin = payload.indexOf(":", at) + 1;
    at = begin + Number(payload.slice(at, begin - 1));
    packets.push(payload.slice(begin, at));
  }
  return packets;
}
