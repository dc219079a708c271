import type { IncomingHttpHeaders } from "node:http";
import { CarillonError } from "../errors.js";
import { omitDefaultPort, parseAuthority, parseOrigin } from "../net/web-origin.js";

/** Header that pages of other origins cannot send without a preflight, which the dashboard's paths refuse. */
const HEADER = "carillon-dashboard";

/**
 * Checks that a request comes from the dashboard's own page. Other pages could use its cookie: SameSite protects it only
 * from other sites, and ports and subdomains of one host are one site.
 * @throws CarillonError permission_denied
 */
export function checkFromDashboard(headers: IncomingHttpHeaders): void {
  const site = headers["sec-fetch-site"];
  const isOwn = headers[HEADER] === "1" && (site === undefined || site === "same-origin") && isSameOrigin(headers);
  if (!isOwn) throw new CarillonError("permission_denied", "only the dashboard's own page may send this request");
}

/** A request without an origin is not sent by a page. */
function isSameOrigin({ host = "", origin }: IncomingHttpHeaders): boolean {
  if (origin === undefined) return true;
  const sender = parseOrigin(origin);
  const authority = parseAuthority(host);
  if (sender === undefined || authority === undefined) return false;
  const own = omitDefaultPort({ scheme: sender.scheme, ...authority });
  return own.host === sender.host && own.port === sender.port;
}
