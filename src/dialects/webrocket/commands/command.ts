import type { CommandOption, DialectCommand } from "../../command-line.js";
import { COOKIE_VARIABLE } from "./admin-client.js";
import {
  addVhost,
  closeChannel,
  deleteVhost,
  listChannels,
  listVhosts,
  listWorkers,
  openChannel,
  renewToken,
} from "./run.js";

const options: readonly CommandOption[] = [
  {
    flags: "--admin <url>",
    description: "where a node's admin interface is",
    default: "http://127.0.0.1:8082",
    fault: (text) => (isHttpUrl(text) ? undefined : "a URL such as http://127.0.0.1:8082"),
  },
  {
    flags: "--cookie-file <file>",
    description: `file that holds the cookie (default: it is in ${COOKIE_VARIABLE})`,
  },
  {
    flags: "--ca <file>",
    description: "PEM file of the authority that signed the node's certificate; for https:// URLs",
  },
];

const vhost = { name: "<path>", description: "the vhost's path" };
const channel = { name: "<channel>", description: "its name" };

/** Commands for WebRocket's admin interface. */
export const webrocketCommand: DialectCommand = {
  name: "webrocket",
  description: "vhosts, channels and workers, over WebRocket's admin interface",
  commands: [
    { name: "vhosts", description: "list the vhosts with their access tokens", options, run: listVhosts },
    {
      name: "vhost",
      description: "make and delete vhosts",
      commands: [
        {
          name: "add",
          description: "make a vhost; prints its path and its access token",
          arguments: [{ name: "<path>", description: "path, such as /shop" }],
          options,
          run: addVhost,
        },
        {
          name: "delete",
          description: "delete a vhost that was made at run time",
          arguments: [{ name: "<path>", description: "path" }],
          options,
          run: deleteVhost,
        },
      ],
    },
    {
      name: "token",
      description: "give a vhost another access token, and print it; the one before is worthless from then on",
      arguments: [vhost],
      options,
      run: renewToken,
    },
    {
      name: "channels",
      description: "list the channels of a vhost that are open",
      arguments: [vhost],
      options,
      run: listChannels,
    },
    {
      name: "channel",
      description: "open and close channels",
      commands: [
        {
          name: "open",
          description: "open a channel; fails where it is open already",
          arguments: [vhost, channel],
          options,
          run: openChannel,
        },
        {
          name: "close",
          description: "close a channel; clients that are in it leave it",
          arguments: [vhost, channel],
          options,
          run: closeChannel,
        },
      ],
    },
    {
      name: "workers",
      description: "list the workers of a vhost, of all nodes and protocols: id, node, name, events",
      arguments: [vhost],
      options,
      run: listWorkers,
    },
  ],
};

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
