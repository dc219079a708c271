import { type Command, InvalidArgumentError } from "commander";

/** Adds what can be asked of WebRocket's admin interface. */
export function addWebrocketCommands(program: Command): void {
  const webrocket = program
    .command("webrocket")
    .description("vhosts, channels and workers, over WebRocket's admin interface");
  withFlags(webrocket.command("vhosts"))
    .description("list the vhosts with their access tokens")
    .action(async (flags) => (await import("./webrocket.js")).listVhosts(flags));

  const vhost = webrocket.command("vhost").description("make and delete vhosts");
  withFlags(vhost.command("add"))
    .description("make a vhost; prints its path and its access token")
    .argument("<path>", "path, such as /shop")
    .action(async (path, flags) => (await import("./webrocket.js")).addVhost(path, flags));
  withFlags(vhost.command("delete"))
    .description("delete a vhost that was made at run time")
    .argument("<path>", "path")
    .action(async (path, flags) => (await import("./webrocket.js")).deleteVhost(path, flags));

  withFlags(webrocket.command("token"))
    .description("give a vhost another access token, and print it; the one before is worthless from then on")
    .argument("<path>", "the vhost's path")
    .action(async (path, flags) => (await import("./webrocket.js")).renewToken(path, flags));

  withFlags(webrocket.command("channels"))
    .description("list the channels of a vhost that are open")
    .argument("<path>", "the vhost's path")
    .action(async (path, flags) => (await import("./webrocket.js")).listChannels(path, flags));
  const channel = webrocket.command("channel").description("open and close channels");
  withFlags(channel.command("open"))
    .description("open a channel; fails where it is open already")
    .argument("<path>", "the vhost's path")
    .argument("<channel>", "its name")
    .action(async (path, name, flags) => (await import("./webrocket.js")).openChannel(path, name, flags));
  withFlags(channel.command("close"))
    .description("close a channel; clients that are in it leave it")
    .argument("<path>", "the vhost's path")
    .argument("<channel>", "its name")
    .action(async (path, name, flags) => (await import("./webrocket.js")).closeChannel(path, name, flags));

  withFlags(webrocket.command("workers"))
    .description("list the workers of a vhost, of all nodes and protocols: id, node, name, events")
    .argument("<path>", "the vhost's path")
    .action(async (path, flags) => (await import("./webrocket.js")).listWorkers(path, flags));
}

function withFlags(command: Command) {
  return command
    .option("--admin <url>", "where a node's admin interface is", httpUrl, "http://127.0.0.1:8082")
    .option("--cookie-file <file>", "file that holds the cookie (default: it is in CARILLON_WEBROCKET_COOKIE)")
    .option("--ca <file>", "PEM file of the authority that signed the node's certificate; for https:// URLs");
}

function httpUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError("Expected a URL such as http://127.0.0.1:8082.");
}
