import type { IncomingMessage } from "node:http";
import type { Control } from "../../../control/control.js";
import type { Clock } from "../../../core/ports.js";
import type { Handler } from "../../../net/http-handler.js";
import { createMethodsHandler, type RestCallOptions, type RestMethod } from "./call.js";
import { EVENT_STREAM, feedConnections } from "./feed.js";
import { listConnections } from "./list.js";
import { createMessagesMethod, type MessagesOptions } from "./messages.js";
import { type ConnectionTokenIssuer, createChannelTokensMethod, createConnectionTokensMethod } from "./tokens.js";

export interface RootsocketOptions extends RestCallOptions, MessagesOptions {
  /** Prefix of all paths, such as `/api/v1`. */
  readonly base: string;
  /** @throws CarillonError not_found if the vhost has been deleted */
  readonly issuerFor: (vhost: string) => ConnectionTokenIssuer;
  readonly control: Pick<Control, "connections" | "watches">;
  readonly clock: Clock;
}

/**
 * Creates the HTTP interface for RootSocket's backends (the S rules): handlers by exact path, with and without a final slash.
 */
export function createRootsocketRoutes(options: RootsocketOptions): ReadonlyMap<string, Handler> {
  const { authorizer, base, clock, control, issuerFor } = options;
  const connections: RestMethod = {
    action: "connections",
    handle: (call) =>
      wantsFeed(call.request)
        ? feedConnections({ watches: control.watches, authorizer, clock }, call)
        : listConnections(control.connections, call),
  };
  const paths = new Map<string, ReadonlyMap<string, RestMethod>>([
    [
      "connections",
      new Map([
        ["GET", connections],
        ["POST", createConnectionTokensMethod(issuerFor)],
      ]),
    ],
    ["tokens", new Map([["POST", createChannelTokensMethod(issuerFor)]])],
    ["messages", new Map([["POST", createMessagesMethod(options)]])],
  ]);
  const routes = new Map<string, Handler>();
  for (const [name, methods] of paths) {
    const handler = createMethodsHandler(methods, options);
    routes.set(`${base}/${name}`, handler);
    routes.set(`${base}/${name}/`, handler);
  }
  return routes;
}

/** Returns whether a request accepts an event stream, as a browser's EventSource does. Other requests get the list. */
function wantsFeed({ headers }: IncomingMessage): boolean {
  return headers.accept?.toLowerCase().includes(EVENT_STREAM) === true;
}
