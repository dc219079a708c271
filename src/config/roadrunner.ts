import { z } from "zod";
import { isLoopback } from "../util/address.js";
import { formatListenUrl, type ListenUrl, parseListenUrl } from "../util/listen-url.js";
import { DEFAULT_VHOST } from "../util/names.js";
import { vhostPath } from "./vhost.js";

const listenUrl = z.string().transform((text, context) => {
  const parsed = parseListenUrl(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({
    code: "custom",
    message: "expected tcp://HOST:PORT, such as tcp://127.0.0.1:6002, or unix:///PATH",
  });
  return z.NEVER;
});

const listener = z.strictObject({
  listen: listenUrl.describe(
    "Address: `tcp://HOST:PORT` on loopback, or `unix:///PATH`. Other addresses need `insecure: true`, because callers show no key.",
  ),
  vhost: vhostPath.default(DEFAULT_VHOST).describe("Vhost that callers publish to."),
});

/** Where PHP applications publish by RoadRunner's RPC: one listener, or several. */
export const roadrunner = z
  .union([z.array(listener), listener.transform((only) => [only])], {
    error: "expected listen and vhost, or a list of them",
  })
  .prefault([]);

/** Nobody shows a key there, so nobody but this machine is let in. */
export function* roadrunnerFaults(
  listeners: readonly { readonly listen: ListenUrl }[],
  insecure: boolean,
): Generator<{ path: PropertyKey[]; message: string }> {
  for (const { listen } of listeners) {
    if (insecure || listen.kind === "unix" || isLoopback(listen.host)) continue;
    yield {
      path: ["roadrunner", "listen"],
      message:
        `${formatListenUrl(listen)} can be reached from other machines, and RoadRunner's RPC has no keys. Listen on ` +
        "127.0.0.1 or on unix:///PATH; or set insecure: true (--insecure) to let everybody publish",
    };
  }
}
