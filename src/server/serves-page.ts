import type { Config } from "../config/schema.js";
import { isLoopback } from "../util/address.js";

/** Whether the HTTP port serves the demo pages. */
export function servesPage({ http, page }: Config): boolean {
  return page === "on" || (page === "auto" && isLoopback(http.host));
}
