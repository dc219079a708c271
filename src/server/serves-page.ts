import type { Config } from "../config/schema.js";
import { isLoopback } from "../util/address.js";

/** Whether the HTTP port has the page to try the node in. */
export function servesPage({ http, page }: Config): boolean {
  return page === "on" || (page === "auto" && isLoopback(http.host));
}
