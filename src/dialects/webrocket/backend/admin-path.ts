import { DEFAULT_VHOST, VHOST_PATH } from "../../../util/names.js";

/** Resource that a path of the admin interface names. */
export type AdminResource =
  | { readonly kind: "vhosts" }
  | { readonly kind: "vhost" | "token" | "channels" | "workers"; readonly vhost: string }
  | { readonly kind: "channel"; readonly vhost: string; readonly channel: string };

/** Resources of a vhost, by the last segments of their paths. */
const VHOST_PART = /^(?<vhost>.+)\/(?<kind>token|channels|workers)$/;
const CHANNEL = /^(?<vhost>.+)\/channels\/(?<channel>[^/]*)$/;

/**
 * Finds the resources that a path may name. Paths of vhosts contain slashes, so `/a/channels` may be a vhost, or the channels
 * of `/a`. The result lists the resources of existing vhosts, the longest vhost path first. If there are none, it has the
 * resource with the shortest vhost path. The default vhost has no path here.
 * @returns none for an invalid path
 */
export function findAdminResources(path: string, isVhost: (path: string) => boolean): readonly AdminResource[] {
  if (path === DEFAULT_VHOST) return [{ kind: "vhosts" }];
  const candidates = [toVhost(path), toVhostPart(path), toChannel(path)].filter((resource) => resource !== undefined);
  const existing = candidates.filter(({ vhost }) => isVhost(vhost));
  return existing.length > 0 ? existing : candidates.slice(-1);
}

/** Describes a resource for an error text. */
export function describeAdminResource(resource: AdminResource): string {
  if (resource.kind === "vhosts") return "all vhosts";
  const { kind, vhost } = resource;
  if (kind === "vhost") return `vhost ${vhost}`;
  return `${kind === "channel" ? `channel ${resource.channel}` : kind} of vhost ${vhost}`;
}

type VhostResource = Extract<AdminResource, { readonly vhost: string }>;

function toVhost(path: string): VhostResource | undefined {
  return isPath(path) ? { kind: "vhost", vhost: path } : undefined;
}

function toVhostPart(path: string): VhostResource | undefined {
  const { kind, vhost = "" } = VHOST_PART.exec(path)?.groups ?? {};
  if (!isPath(vhost)) return undefined;
  return kind === "token" || kind === "channels" || kind === "workers" ? { kind, vhost } : undefined;
}

function toChannel(path: string): VhostResource | undefined {
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
