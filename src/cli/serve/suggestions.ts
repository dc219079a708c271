import { relative } from "node:path";
import type { Config } from "../../config/schema.js";
import { servesPage } from "../../server/serves-page.js";

/**
 * Formats commands to try the node with. The page joins the topic "hello" on its own. With TLS only the page is
 * suggested, because the certificate's authority and host name are unknown here.
 */
export function formatSuggestions(http: string, requiresKeys: boolean, config: Config): string {
  const body = '{"messages":[{"topics":["hello"],"text":"Hello, world"}]}';
  const key = requiresKeys ? ` -H "authorization: Bearer $CARILLON_KEY"` : "";
  const program = relative(process.cwd(), process.argv[1] ?? "");
  const page = `open ${http}/ in a browser: it listens to the topic "hello"`;
  const publish = [
    `curl ${http}/websockets.v1.BroadcastService/Publish -H 'content-type: application/json'${key} -d '${body}'`,
    `node ${program} publish --server ${http} hello 'Hello again'`,
  ];
  const ways = [...(servesPage(config) ? [page] : []), ...(config.tls === undefined ? publish : [])];
  if (ways.length === 0) return "";
  const needed = requiresKeys && config.tls === undefined ? ", with a key in the environment as CARILLON_KEY" : "";
  return `\nTry it${needed}:\n${ways.map((way, position) => `  ${position + 1}. ${way}\n`).join("")}\n`;
}
