import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Handler } from "../net/http-handler.js";
import { createFileHandler, isServable } from "../transport/http/static-files.js";
import { packageRoot } from "../util/package-root.js";

/** Path of the dashboard on the HTTP port. */
export const DASHBOARD_PATH = "/admin";

/** Files that the dashboard shares with the try-it page. */
const SHARED = ["theme.css", "bell.svg"];

/** Reads the dashboard's files, in dashboard/, with those of the charts' package, and creates their routes. */
export function createDashboardFiles(): Map<string, Handler> {
  const folder = join(packageRoot, "dashboard");
  const charts = dirname(createRequire(import.meta.url).resolve("uplot/dist/uPlot.esm.js"));
  const files = new Map([
    ...readdirSync(folder).map((name) => [name, join(folder, name)] as const),
    ...SHARED.map((name) => [name, join(packageRoot, "page", name)] as const),
    ["uplot.js", join(charts, "uPlot.esm.js")],
    ["uplot.css", join(charts, "uPlot.min.css")],
  ]);
  const routes = new Map<string, Handler>();
  for (const [name, file] of files) {
    if (isServable(file))
      routes.set(
        name === "index.html" ? DASHBOARD_PATH : `${DASHBOARD_PATH}/${name}`,
        createFileHandler(file, "'self'"),
      );
  }
  return routes;
}
