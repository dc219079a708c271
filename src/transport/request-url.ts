import type { IncomingMessage } from "node:http";

/** Path and query of a request; undefined for a target that is no path. The host is made up. */
export function requestUrl(request: IncomingMessage): URL | undefined {
  const target = request.url ?? "";
  // Joined, not resolved: a target that begins with two slashes is a path here and no host.
  const url = `http://host${target}`;
  if (!target.startsWith("/")) return undefined;
  try {
    return new URL(url);
  } catch {
    return undefined;
  }
}
