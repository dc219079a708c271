import { CarillonError } from "../../../errors.js";
import { DEFAULT_VHOST, VHOST_PATH } from "../../../util/names.js";
import type { CommandOutput } from "../../command-line.js";
import { type AdminBody, type AdminFlags, askAdmin } from "./admin-client.js";

/** Endings of paths that the admin interface may read as a resource of a vhost. */
const RESOURCE_PATH = /.\/(?:token|channels|workers|channels\/[^/]*)$/;

type Args = readonly string[];

export async function listVhosts(_args: Args, flags: AdminFlags): Promise<CommandOutput> {
  const { vhosts = [] } = await askAdmin("GET", "/", flags);
  return { lines: vhosts.map(vhostLine) };
}

export async function addVhost([path = ""]: Args, flags: AdminFlags): Promise<CommandOutput> {
  const { vhost } = await askAdmin("POST", checkOwnPath(path), flags);
  return { lines: vhost === undefined ? [] : [vhostLine(vhost)] };
}

export async function deleteVhost([path = ""]: Args, flags: AdminFlags): Promise<CommandOutput> {
  await askAdmin("DELETE", checkOwnPath(path), flags);
  return { lines: [] };
}

export async function renewToken([path = ""]: Args, flags: AdminFlags): Promise<CommandOutput> {
  const { vhost } = await askAdmin("PUT", `${checkPath(path)}/token`, flags);
  return { lines: [vhost?.accessToken ?? ""] };
}

export async function listChannels([path = ""]: Args, flags: AdminFlags): Promise<CommandOutput> {
  const { channels } = await askAdmin("GET", `${checkPath(path)}/channels`, flags);
  if (channels === undefined) throw isVhostError(path, "channels");
  return { lines: channels.map(({ name }) => name) };
}

export function openChannel(args: Args, flags: AdminFlags): Promise<CommandOutput> {
  return changeChannel("POST", args, flags);
}

export function closeChannel(args: Args, flags: AdminFlags): Promise<CommandOutput> {
  return changeChannel("DELETE", args, flags);
}

/**
 * Lists one worker per line: id, node, name, patterns, and `triggers` if it receives triggers only. Notes report missing
 * workers.
 */
export async function listWorkers([path = ""]: Args, flags: AdminFlags): Promise<CommandOutput> {
  const { missing = [], more, workers } = await askAdmin("GET", `${checkPath(path)}/workers`, flags);
  if (workers === undefined) throw isVhostError(path, "workers");
  const lines = workers.map(({ answers, events, id, name, node }) =>
    [id, node, name === "" ? "-" : name, events.join(","), ...(answers ? [] : ["triggers"])].join(" "),
  );
  const notes = [
    ...(missing.length > 0 ? [`nodes that did not answer: ${missing.join(", ")}`] : []),
    ...(more === true ? ["the list is incomplete: there are more workers"] : []),
  ];
  return { lines, notes };
}

async function changeChannel(
  method: "POST" | "DELETE",
  [path = "", channel = ""]: Args,
  flags: AdminFlags,
): Promise<CommandOutput> {
  await askAdmin(method, `${checkPath(path)}/channels/${escapeChannel(channel)}`, flags);
  return { lines: [] };
}

/** Escapes the first letter too, so that the path cannot name a vhost whose path ends in the same way. */
function escapeChannel(channel: string): string {
  const written = encodeURIComponent(channel);
  return /^\w/.test(channel) ? `%${channel.charCodeAt(0).toString(16)}${written.slice(1)}` : written;
}

/** Creates the error for a path that names a vhost instead of a resource. */
function isVhostError(path: string, word: string): CarillonError {
  return new CarillonError("failed_precondition", `${path}/${word} is a vhost: use the control service`);
}

function checkPath(path: string): string {
  if (VHOST_PATH.test(path) && path !== DEFAULT_VHOST) return path;
  throw new CarillonError("invalid_argument", "vhost: expected a path such as /shop or /shop/eu");
}

/**
 * Checks the path of a vhost to be created or deleted. Refuses one that the interface might read as a resource of another
 * vhost.
 */
function checkOwnPath(path: string): string {
  if (!RESOURCE_PATH.test(checkPath(path))) return path;
  const text = `vhost: ${path} could also name a resource of another vhost: create and delete it through the control service`;
  throw new CarillonError("invalid_argument", text);
}

function vhostLine({ accessToken, path }: NonNullable<AdminBody["vhost"]>): string {
  return `${path} ${accessToken ?? "-"}`;
}
