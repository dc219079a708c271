import { DEFAULT_VHOST, VHOST_PATH } from "../../util/names.js";

/** What a path of the admin interface means. */
export type Place =
  | { readonly kind: "vhosts" }
  | { readonly kind: "vhost" | "token" | "channels" | "workers"; readonly vhost: string }
  | { readonly kind: "channel"; readonly vhost: string; readonly channel: string };

/** What may stand behind a vhost's path. */
const BEHIND = /^(?<vhost>.+)\/(?<kind>token|channels|workers)$/;
const CHANNEL = /^(?<vhost>.+)\/channels\/(?<channel>[^/]*)$/;

/**
 * Vhosts have slashes in their paths, so that `/a/channels` may be one, or the channels of `/a`: of all that a path can mean,
 * what is about the vhost with the longest path that is there; and where none is there, what stands behind one. The default
 * vhost has no path here.
 * @returns undefined for what can be none
 */
export function readPath(path: string, isVhost: (path: string) => boolean): Place | undefined {
  if (path === DEFAULT_VHOST) return { kind: "vhosts" };
  const places = [wholePath(path), behind(path), channelAt(path)].filter((place) => place !== undefined);
  return places.find(({ vhost }) => isVhost(vhost)) ?? places.at(-1);
}

type OfVhost = Extract<Place, { readonly vhost: string }>;

function wholePath(path: string): OfVhost | undefined {
  return isPath(path) ? { kind: "vhost", vhost: path } : undefined;
}

function behind(path: string): OfVhost | undefined {
  const { kind, vhost = "" } = BEHIND.exec(path)?.groups ?? {};
  if (!isPath(vhost)) return undefined;
  return kind === "token" || kind === "channels" || kind === "workers" ? { kind, vhost } : undefined;
}

function channelAt(path: string): OfVhost | undefined {
  const { channel = "", vhost = "" } = CHANNEL.exec(path)?.groups ?? {};
  if (!isPath(vhost)) return undefined;
  try {
    return { kind: "channel", vhost, channel: decodeURIComponent(channel) };
  } catch {
    return undefined;
  }
}

function isPath(path: string): boolean {
  return VHOST_PATH.test(path) && path !== DEFAULT_VHOST;
}
