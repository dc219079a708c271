import { DEFAULT_VHOST, VHOST_PATH } from "../../../util/names.js";

/** Resource that a path of the admin interface names. */
export type AdminResource =
  | { readonly kind: "vhosts" }
  | { readonly kind: "vhost" | "token" | "channels" | "workers"; readonly vhost: string }
  | { readonly kind: "channel"; readonly vhost: string; readonly channel: string };

/** Resources of a vhost, by the last segments of their paths. */
const BEHIND = /^(?<vhost>.+)\/(?<kind>token|channels|workers)$/;
const CHANNEL = /^(?<vhost>.+)\/channels\/(?<channel>[^/]*)$/;

/**
 * Finds the resources that a path may name. Paths of vhosts contain slashes, so `/a/channels` may be a vhost, or the channels
 * of `/a`. The result lists the resources of existing vhosts, the longest vhost path first. If there are none, it has the
 * resource with the shortest vhost path. The default vhost has no path here.
 * @returns none for an invalid path
 */
export function findAdminResources(path: string, isVhost: (path: string) => boolean): readonly AdminResource[] {
  if (path === DEFAULT_VHOST) return [{ kind: "vhosts" }];
  const places = [wholePath(path), behind(path), channelAt(path)].filter((place) => place !== undefined);
  const there = places.filter(({ vhost }) => isVhost(vhost));
  return there.length > 0 ? there : places.slice(-1);
}

/** Describes a resource for an error text. */
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
