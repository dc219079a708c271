import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { cleanUp } from "../clean-up.js";

/**
 * Starts a proxy as strict networks have it: it passes HTTP on to a server on a port of this machine, and refuses upgrades.
 * @returns the proxy's port
 */
export async function startUpgradeBlocker(target: number): Promise<number> {
  const proxy = createServer((incoming, outgoing) => {
    const { headers, method, url } = incoming;
    const forwarded = request({ host: "127.0.0.1", port: target, path: url, method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
      answer.on("error", () => outgoing.destroy()).pipe(outgoing);
    });
    forwarded.on("error", () => outgoing.destroy());
    outgoing.on("close", () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  proxy.on("upgrade", (_request, socket) => {
    socket.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  cleanUp(async () => {
    const closed = once(proxy, "close");
    proxy.close();
    proxy.closeAllConnections();
    await closed;
  });
  return (proxy.address() as AddressInfo).port;
}
