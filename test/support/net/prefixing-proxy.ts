import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { cleanUp } from "../clean-up.js";

/** A proxy that sends the same bytes in front of each connection; stopped after the test. */
export class PrefixingProxy {
  readonly port: number;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(target: number, prefix: Uint8Array): Promise<PrefixingProxy> {
    const server = createServer((client) => {
      const upstream = connect({ host: "127.0.0.1", port: target });
      upstream.write(prefix);
      client.pipe(upstream).pipe(client);
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        one.on("error", () => {}).on("close", () => other.destroy());
        cleanUp(() => one.destroy());
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanUp(() => server.close());
    return new PrefixingProxy((server.address() as AddressInfo).port);
  }
}
