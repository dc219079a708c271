import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { SetupError } from "../../scripts/lib/say.mjs";

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Largest body of a request, in bytes. */
const MAX_BODY = 4_096;

/**
 * Serves the page of an example, the client library under `/carillon-client/`, and `/settings.js` with the node's URL.
 *
 * @param address - HOST:PORT
 * @throws SetupError if the address is in use
 */
export async function startSite(folder, { address, nodeUrl, routes }) {
  const folders = {
    "/carillon-client/": new URL("../../client/dist/", import.meta.url),
    "/look/": new URL("look/", import.meta.url),
    "/": folder,
  };

  const answer = async ({ method, path, body }) => {
    const route = routes[`${method} ${path}`];
    if (route) return route(body);
    if (method !== "GET") return { status: 405 };
    if (path === "/settings.js")
      return { type: TYPES[".js"], body: `export const nodeUrl = ${JSON.stringify(nodeUrl)};\n` };
    const [prefix, from] = Object.entries(folders).find(([start]) => path.startsWith(start));
    const name = path.slice(prefix.length) || "index.html";
    const type = TYPES[extname(name)];
    // The path is not decoded, and has no `..` left, so that it stays in the folder.
    const file = type && (await readFile(new URL(`./${name}`, from)).catch(() => undefined));
    return file ? { type, body: file } : { status: 404, body: "not found\n" };
  };

  const server = createServer(async (request, response) => {
    try {
      const path = new URL(request.url, "http://site").pathname;
      const result = await answer({ method: request.method, path, body: await readBody(request) });
      const { status = 200, type = "text/plain; charset=utf-8", body: content = "" } = result;
      response.writeHead(status, {
        "content-type": type,
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
      });
      response.end(content);
    } catch (error) {
      response.writeHead(400).end(`${error.message}\n`);
    }
  });

  const { host, port } = parseAddress(address);
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new SetupError(
      `the site cannot listen on ${address} (${error.code}). Choose another one with --site HOST:PORT.`,
    );
  }
  return {
    url: `http://${host}:${server.address().port}/`,
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Parses the option `--site`. @throws SetupError */
export function parseAddress(address) {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(address) ?? [];
  if (!host || port > 65_535) throw new SetupError(`--site: expected HOST:PORT, got ${address}.`);
  return { host, port: Number(port) };
}

async function readBody(request) {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > MAX_BODY) throw new Error("the request is too large");
  }
  return text;
}
