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
    .default([...DIALECTS]),
  broadcaster: z.strictObject({ base: base.default("/broadcaster") }).prefault({}),
  rootsocket: z.strictObject({ base: base.default("/api/v1") }).prefault({}),
  webrocket: z
    .strictObject({
      mount: mount.default("/webrocket"),
      backend: address.optional(),
      admin: z
        .strictObject({
          listen: address,
          cookie: z.string().min(16, "expected at least 16 characters").optional(),
          cookie_file: z.string().optional(),
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
        .default("/socket.io/"),
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
    .strictObject({ secret: z.string().min(1).optional(), secret_file: z.string().optional() })
    .refine(atMostOneSecret.check, { message: atMostOneSecret.message })
    .prefault({}),
  rootsocket: z
    .strictObject({
      allow_client_send: z.boolean().default(false),
      allow_channel_subscription: z.boolean().default(true),
      allow_channel_authorization: z.boolean().default(true),
    })
    .prefault({}),
  webrocket: z
    .strictObject({
      access_token: z
        .string()
        .regex(/^\w{40}$/, "expected 40 letters, digits and _")
        .optional(),
      access_token_file: z.string().optional(),
    })
    .refine(({ access_token, access_token_file }) => access_token === undefined || access_token_file === undefined, {
      message: "only one of access_token, access_token_file",
    })
    .prefault({}),
  socketio: z
    .strictObject({
      spectate: z
        .strictObject({
          topics: z.array(topicOfId).min(1).default(["{id}"]),
          logs: z.array(topicOfId).default(["{id}_logs"]),
        })
        .prefault({}),
      calls: z
        .array(
          z.strictObject({
            event: eventName,
            elevated: z.boolean().default(true),
            answer: eventName.optional(),
            timeout: duration("1ms", "10m").optional(),
          }),
        )
        .default([])
        .refine((rules) => new Set(rules.map(({ event }) => event)).size === rules.length, "expected each event once"),
    })
    .prefault({}),
};
