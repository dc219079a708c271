import { z } from "zod";
import { topicFault } from "../core/topic-name.js";
import { address } from "./address.js";
import { duration } from "./units.js";

/** The settings of the client protocols: where each is spoken, and what a vhost says of its own clients. */

export const DIALECTS = ["native", "broadcaster", "rootsocket", "webrocket", "socketio"] as const;

/** The beginning of paths, such as /broadcaster. */
const base = z.string().regex(/^(?:\/[\w.-]+)+$/, "expected a path such as /broadcaster, without a slash at its end");

const mount = z.string().regex(/^(?:\/|(?:\/[\w.-]+)+)$/, "expected / or a path such as /webrocket");

const oneCookie = {
  check: ({
    cookie,
    cookie_file,
  }: {
    readonly cookie?: string | undefined;
    readonly cookie_file?: string | undefined;
  }) => (cookie === undefined) !== (cookie_file === undefined),
  message: "one of cookie and cookie_file is needed",
};

/** Of the node. */
export const dialects = {
  dialects: z
    .array(z.enum(DIALECTS))
    .min(1)
    .default([...DIALECTS])
    .describe("Client protocols that the node serves."),
  broadcaster: z
    .strictObject({ base: base.default("/broadcaster").describe("Path prefix of Broadcaster.") })
    .prefault({}),
  rootsocket: z.strictObject({ base: base.default("/api/v1").describe("Path prefix of RootSocket.") }).prefault({}),
  webrocket: z
    .strictObject({
      mount: mount.default("/webrocket").describe("Path of WebRocket's frontend."),
      backend: address
        .optional()
        .describe("Address for WebRocket backends (plain TCP, or TLS where `tls` is set). Off by default."),
      admin: z
        .strictObject({
          listen: address.describe("Address of WebRocket's admin interface."),
          cookie: z
            .string()
            .min(16, "expected at least 16 characters")
            .optional()
            .describe("Admin cookie. Excludes `cookie_file`."),
          cookie_file: z.string().optional().describe("File with the admin cookie."),
        })
        .refine(oneCookie.check, { message: oneCookie.message })
        .optional(),
    })
    .prefault({}),
  socketio: z
    .strictObject({
      path: z
        .string()
        .regex(/^(?:\/[\w.-]+)+\/$/, "expected a path such as /socket.io/, with a slash at its end")
        .default("/socket.io/")
        .describe("Path of Socket.IO."),
    })
    .prefault({}),
};

const atMostOneSecret = {
  check: ({
    secret,
    secret_file,
  }: {
    readonly secret?: string | undefined;
    readonly secret_file?: string | undefined;
  }) => secret === undefined || secret_file === undefined,
  message: "only one of secret, secret_file",
};

/** A topic's name with `{id}` where the id of what is watched stands. */
const topicOfId = z
  .string()
  .refine((text) => text.split("{id}").length === 2, "expected one {id} in it")
  .refine((text) => topicFault(text.replace("{id}", "1")) === undefined, "expected a topic's name");

const eventName = z.string().min(1).max(255);

/** Of a vhost. */
export const vhostDialects = {
  broadcaster: z
    .strictObject({
      secret: z
        .string()
        .min(1)
        .optional()
        .describe("HS256 secret of Broadcaster tokens. Without one no Broadcaster client can authenticate."),
      secret_file: z.string().optional().describe("File with that secret. Excludes `secret`."),
    })
    .refine(atMostOneSecret.check, { message: atMostOneSecret.message })
    .prefault({}),
  rootsocket: z
    .strictObject({
      allow_client_send: z
        .boolean()
        .default(false)
        .describe("Let RootSocket clients publish, unless their token says otherwise."),
      allow_channel_subscription: z
        .boolean()
        .default(true)
        .describe("Let RootSocket clients subscribe, unless their token says otherwise."),
      allow_channel_authorization: z
        .boolean()
        .default(true)
        .describe(
          "Require a channel token for every RootSocket subscription, unless the connection token says otherwise.",
        ),
    })
    .prefault({}),
  webrocket: z
    .strictObject({
      access_token: z
        .string()
        .regex(/^\w{40}$/, "expected 40 letters, digits and _")
        .optional()
        .describe("Token of WebRocket backends. Without one they are refused."),
      access_token_file: z.string().optional().describe("File with that token. Excludes `access_token`."),
    })
    .refine(({ access_token, access_token_file }) => access_token === undefined || access_token_file === undefined, {
      message: "only one of access_token, access_token_file",
    })
    .prefault({}),
  socketio: z
    .strictObject({
      spectate: z
        .strictObject({
          topics: z
            .array(topicOfId)
            .min(1)
            .default(["{id}"])
            .describe("Topics that `spectate` joins; `{id}` stands for the requested id."),
          logs: z
            .array(topicOfId)
            .default(["{id}_logs"])
            .describe("Topics that `spectate` joins in addition when `include_logs` is set."),
        })
        .prefault({}),
      calls: z
        .array(
          z.strictObject({
            event: eventName.describe("Name of the event."),
            elevated: z
              .boolean()
              .default(true)
              .describe("Accept the event only with a token, of the connection or of the request."),
            answer: eventName.optional().describe("Name of the answering event. Default: the name of the call."),
            timeout: duration("1ms", "10m").optional().describe("Time a worker has to answer. Default: 30s."),
          }),
        )
        .default([])
        .refine((rules) => new Set(rules.map(({ event }) => event)).size === rules.length, "expected each event once"),
    })
    .prefault({}),
};
