import type { Vhost } from "../../../vhosts/vhost.js";
import type { WorkerDescription } from "../../../workers/dispatch.js";

/** JSON of the admin interface. Links contain a path of the interface and its relation. */

interface Link {
  readonly rel: string;
  readonly href: string;
}

export function vhostJson(vhost: Vhost) {
  const { channels, configured, name } = vhost;
  const links: readonly Link[] = [
    { rel: "self", href: name },
    ...["channels", "token", "workers"].map((rel) => ({ rel, href: `${name}/${rel}` })),
  ];
  const accessToken = vhost.backendTokenFor("webrocket") ?? null;
  return { path: name, accessToken, configured, channels: { size: channels.size }, links };
}

export function channelJson(vhost: string, name: string) {
  const links: readonly Link[] = [
    { rel: "self", href: `${vhost}/channels/${name}` },
    { rel: "vhost", href: vhost },
  ];
  return { name, links };
}

/** Describes a worker. A worker that cannot answer uses WebRocket's protocol, in which a worker's name is its id. */
export function workerJson(vhost: string, worker: WorkerDescription) {
  const { answers, capacity, events, id, name, node, tasks } = worker;
  const links: readonly Link[] = [{ rel: "vhost", href: vhost }];
  return { id: answers ? id : name, name, node, events, capacity, answers, tasks, links };
}
