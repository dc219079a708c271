import { CarillonError } from "../errors.js";
import { DEFAULT_VHOST, VHOST_PATH } from "../util/names.js";
import { EXIT, fail, toExitCode } from "./exit-code.js";
import { type AdminBody, type AdminFlags, askAdmin } from "./webrocket-client.js";

/** What the admin interface takes for something else where it stands behind a path. */
const WORDS = /.\/(?:token|channels|workers|channels\/[^/]*)$/;

export async function listVhosts(flags: AdminFlags): Promise<void> {
  await tell(async () => linesOf(((await askAdmin("GET", "/", flags)).vhosts ?? []).map(vhostLine)));
}

export async function addVhost(path: string, flags: AdminFlags): Promise<void> {
  await tell(async () => vhostText(await askAdmin("POST", madeHere(path), flags)));
}

export async function deleteVhost(path: string, flags: AdminFlags): Promise<void> {
  await tell(async () => {
    await askAdmin("DELETE", madeHere(path), flags);
    return "";
  });
}

export async function renewToken(path: string, flags: AdminFlags): Promise<void> {
  await tell(async () => {
    const { vhost } = await askAdmin("PUT", `${checked(path)}/token`, flags);
    return linesOf([vhost?.accessToken ?? ""]);
  });
}

export async function listChannels(path: string, flags: AdminFlags): Promise<void> {
  await tell(async () => {
    const { channels } = await askAdmin("GET", `${checked(path)}/channels`, flags);
    if (channels === undefined) throw somethingElse(path, "channels");
    return linesOf(channels.map(({ name }) => name));
  });
}

export async function openChannel(path: string, channel: string, flags: AdminFlags): Promise<void> {
  await tell(() => change("POST", path, channel, flags));
}

export async function closeChannel(path: string, channel: string, flags: AdminFlags): Promise<void> {
  await tell(() => change("DELETE", path, channel, flags));
}

/** One a line: id, node, name, its patterns, and whether it gets triggers only. What is missing is told on stderr. */
export async function listWorkers(path: string, flags: AdminFlags): Promise<void> {
  await tell(async () => {
    const { missing = [], more, workers } = await askAdmin("GET", `${checked(path)}/workers`, flags);
    if (workers === undefined) throw somethingElse(path, "workers");
    if (missing.length > 0) process.stderr.write(`carillon: not answered: node ${missing.join(", ")}\n`);
    if (more === true) process.stderr.write("carillon: there are more\n");
    return linesOf(
      workers.map(({ answers, events, id, name, node }) =>
        [id, node, name === "" ? "-" : name, events.join(","), ...(answers ? [] : ["triggers"])].join(" "),
      ),
    );
  });
}

async function change(method: "POST" | "DELETE", path: string, channel: string, flags: AdminFlags): Promise<string> {
  await askAdmin(method, `${checked(path)}/channels/${escaped(channel)}`, flags);
  return "";
}

/** With its first letter escaped too: so it can mean a channel only, and no vhost whose path ends alike. */
function escaped(channel: string): string {
  const written = encodeURIComponent(channel);
  return /^\w/.test(channel) ? `%${channel.charCodeAt(0).toString(16)}${written.slice(1)}` : written;
}

/** There is a vhost of this path. */
function somethingElse(path: string, word: string): CarillonError {
  return new CarillonError("failed_precondition", `${path}/${word} is a vhost: ask the control service`);
}

function checked(path: string): string {
  if (VHOST_PATH.test(path) && path !== DEFAULT_VHOST) return path;
  throw new CarillonError("invalid_argument", "vhost: expected a path such as /shop or /shop/eu");
}

/** One that is made or deleted: not something of another vhost's by mistake. */
function madeHere(path: string): string {
  if (!WORDS.test(checked(path))) return path;
  const text = `vhost: ${path} would be taken for something of another vhost: make and delete it by the control service`;
  throw new CarillonError("invalid_argument", text);
}

function vhostText({ vhost }: AdminBody): string {
  return vhost === undefined ? "" : linesOf([vhostLine(vhost)]);
}

function vhostLine({ accessToken, path }: NonNullable<AdminBody["vhost"]>): string {
  return `${path} ${accessToken ?? "-"}`;
}

function linesOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

async function tell(ask: () => Promise<string>): Promise<void> {
  try {
    process.stdout.write(await ask());
  } catch (error) {
    const wrongUsage = error instanceof CarillonError && error.code === "invalid_argument";
    fail(error, wrongUsage ? EXIT.usage : toExitCode(error));
  }
}
