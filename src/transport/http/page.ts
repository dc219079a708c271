import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { DialectModule } from "../../dialects/module.js";
import type { Handler } from "../../net/http-handler.js";
import { packageRoot } from "../../util/package-root.js";
import { createFileHandler, isServable } from "./static-files.js";

/** Reads the files of the demo pages, in page/, and creates their routes. */
export function createPageRoutes(dialects: readonly Pick<DialectModule, "hasPage" | "name">[]): Map<string, Handler> {
  const paths: Readonly<Record<string, readonly string[]>> = {
    "index.html": ["/"],
    // One page serves all older dialects; its script reads the dialect from the address.
    "dialect.html": dialects.filter(({ hasPage }) => hasPage === true).map(({ name }) => `/try/${name}`),
  };
  const folder = join(packageRoot, "page");
  const routes = new Map<string, Handler>();
  for (const name of readdirSync(folder).filter(isServable)) {
    const handler = createFileHandler(join(folder, name), "'self' ws: wss:");
    for (const path of paths[name] ?? [`/${name}`]) routes.set(path, handler);
  }
  return routes;
}
