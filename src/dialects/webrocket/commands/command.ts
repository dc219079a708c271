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
    description: "address of a node's admin interface",
    default: "http://127.0.0.1:8082",
    check: (text) => (isHttpUrl(text) ? undefined : "a URL such as http://127.0.0.1:8082"),
  },
  {
    flags: "--cookie-file <file>",
    description: `file that contains the cookie (default: the value of ${COOKIE_VARIABLE})`,
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
      description: "create and delete vhosts",
      commands: [
        {
          name: "add",
          description: "create a vhost; prints its path and its access token",
          arguments: [{ name: "<path>", description: "path, such as /shop" }],
          options,
          run: addVhost,
        },
        {
          name: "delete",
          description: "delete a vhost that was created at run time",
          arguments: [{ name: "<path>", description: "path" }],
          options,
          run: deleteVhost,
        },
      ],
    },
    {
      name: "token",
      description: "replace a vhost's access token and print the new one; the old one stops working",
      arguments: [vhost],
      options,
      run: renewToken,
    },
    {
      name: "channels",
      description: "list the open channels of a vhost",
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
          description: "open a channel; fails if it is already open",
          arguments: [vhost, channel],
          options,
          run: openChannel,
        },
        {
          name: "close",
          description: "close a channel and unsubscribe its clients",
          arguments: [vhost, channel],
          options,
          run: closeChannel,
        },
      ],
    },
    {
      name: "workers",
      description: "list a vhost's workers on all nodes, of all protocols: id, node, name, events",
      arguments: [vhost],
      options,
      run: listWorkers,
    },
  ],
};

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
