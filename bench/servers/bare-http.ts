import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answer } from "../support/child.js";

/** Runs the minimum of an HTTP server on Node: it reads a body, and answers as many bytes as Carillon does. */
const BODY = Buffer.from('{"ok":true,"receipts":[{"id":"370cfcb21e55-1","stage":"STAGE_FLUSHED"}]}');

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    Buffer.concat(chunks);
    response.writeHead(200, ["content-type", "application/json", "content-length", String(BODY.length)]);
    response.end(BODY);
  });
});

answer({
  async start() {
    server.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 });
    await once(server, "listening");
    return { port: (server.address() as AddressInfo).port };
  },
});
