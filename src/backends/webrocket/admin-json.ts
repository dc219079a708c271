import type { Vhost } from "../../vhosts/vhost.js";
import type { WorkerDescription } from "../../workers/dispatch.js";

/** What the admin interface tells of things. Links are paths of the interface. */

export function vhostJson({ accessToken, configured, name }: Vhost) {
  const links = { self: name, token: `${name}/token`, channels: `${name}/channels`, workers: `${name}/workers` };
  return { path: name, accessToken: accessToken ?? null, configured, links };
}

export function channelJson(vhost: string, name: string) {
  return { name, links: { self: `${vhost}/channels/${name}`, vhost } };
}

/** @see WorkerDescription */
export function workerJson({ answers, capacity, events, id, name, node, tasks }: WorkerDescription) {
  return { id, name, node, events, capacity, answers, tasks };
}
