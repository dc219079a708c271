import { type Address, formatAddress, parseAddress } from "./address.js";

/** A TCP port or a Unix socket. */
export type ListenUrl = ({ readonly kind: "tcp" } & Address) | { readonly kind: "unix"; readonly path: string };

/** Maximum length of a Unix socket's path that every system accepts, in bytes. */
const MAX_PATH = 103;

/** Parses `tcp://HOST:PORT` or `unix:///PATH`; undefined when invalid. */
export function parseListenUrl(text: string): ListenUrl | undefined {
  if (text.startsWith("tcp://")) {
    const address = parseAddress(text.slice("tcp://".length));
    return address && { kind: "tcp", ...address };
  }
  if (!text.startsWith("unix://")) return undefined;
  const path = text.slice("unix://".length);
  const valid =
    path.startsWith("/") && !path.endsWith("/") && !path.includes("\0") && Buffer.byteLength(path) <= MAX_PATH;
  return valid ? { kind: "unix", path } : undefined;
}

export function formatListenUrl(url: ListenUrl): string {
  return url.kind === "tcp" ? `tcp://${formatAddress(url)}` : `unix://${url.path}`;
}
