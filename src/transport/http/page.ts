import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { DialectModule } from "../../dialects/module.js";
import type { Handler } from "../../net/http-handler.js";
import { packageRoot } from "../../util/package-root.js";
import { allowReads } from "./methods.js";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

const HEADERS = {
  "cache-control": "no-cache",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Reads the files of the demo pages, in page/, and creates their routes. */
export function createPageRoutes(dialects: readonly Pick<DialectModule, "hasPage" | "name">[]): Map<string, Handler> {
  const paths: Readonly<Record<string, readonly string[]>> = {
    "index.html": ["/"],
    // One page serves all older dialects; its script reads the dialect from the address.
    "dialect.html": dialects.filter(({ hasPage }) => hasPage === true).map(({ name }) => `/try/${name}`),
  };
  const folder = join(packageRoot, "page");
  const routes = new Map<string, Handler>();
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const body = readFileSync(join(folder, name));
    const handler = allowReads((_request, response) => {
      response.writeHead(200, { ...HEADERS, "content-type": type, "content-length": body.length });
      response.end(body);
    });
    for (const path of paths[name] ?? [`/${name}`]) routes.set(path, handler);
  }
  return routes;
}
