import { DEFAULT_VHOST, VHOST_PATH } from "../../../util/names.js";

/** What a path of the admin interface means. */
export type AdminResource =
  | { readonly kind: "vhosts" }
  | { readonly kind: "vhost" | "token" | "channels" | "workers"; readonly vhost: string }
  | { readonly kind: "channel"; readonly vhost: string; readonly channel: string };

/** What may stand behind a vhost's path. */
const BEHIND = /^(?<vhost>.+)\/(?<kind>token|channels|workers)$/;
const CHANNEL = /^(?<vhost>.+)\/channels\/(?<channel>[^/]*)$/;

/**
 * Vhosts have slashes in their paths, so that `/a/channels` may be one, or the channels of `/a`: all that a path can mean
 * about vhosts that are there, the one with the longest path first; and where none is there, what stands behind one. The
 * default vhost has no path here.
 * @returns none for what can be none
 */
export function findAdminResources(path: string, isVhost: (path: string) => boolean): readonly AdminResource[] {
  if (path === DEFAULT_VHOST) return [{ kind: "vhosts" }];
  const places = [wholePath(path), behind(path), channelAt(path)].filter((place) => place !== undefined);
  const there = places.filter(({ vhost }) => isVhost(vhost));
  return there.length > 0 ? there : places.slice(-1);
}

/** In words. */
export function describeAdminResource(place: AdminResource): string {
  if (place.kind === "vhosts") return "all vhosts";
  const { kind, vhost } = place;
  if (kind === "vhost") return `vhost ${vhost}`;
  return `${kind === "channel" ? `channel ${place.channel}` : kind} of vhost ${vhost}`;
}

type OfVhost = Extract<AdminResource, { readonly vhost: string }>;

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
