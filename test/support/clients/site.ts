import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { cleanUp } from "../clean-up.js";

/** Serves an application's page on an origin other than a node's. @returns the origin */
export async function startSite(script = ""): Promise<string> {
  const site = createServer(({ url }, response) => {
    response.setHeader("content-type", url === "/script.js" ? "text/javascript" : "text/html");
    response.end(url === "/script.js" ? script : PAGE);
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  cleanUp(async () => {
    const closed = once(site, "close");
    site.close();
    site.closeAllConnections();
    await closed;
  });
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
}

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>An application</title>
<script src="/script.js"></script></html>`;
