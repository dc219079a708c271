import { z } from "../../config/schema-builder.js";
import { duration } from "../../config/units.js";
import { topicProblem } from "../../core/topic-name.js";

const nodeSettings = z
  .strictObject({
    path: z
      .string()
      .regex(/^(?:\/[\w.-]+)+\/$/, "expected a path such as /socket.io/, with a slash at its end")
      .default("/socket.io/")
      .describe("Path of Socket.IO."),
  })
  .prefault({});

/** Name of a topic with `{id}` as a placeholder for the spectated id. */
const topicOfId = z
  .string()
  .refine((text) => text.split("{id}").length === 2, "expected exactly one {id}")
  .refine((text) => topicProblem(text.replace("{id}", "1")) === undefined, "expected a topic name");

const eventName = z.string().min(1).max(255);

const vhostSettings = z
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
      .refine(
        (rules) => new Set(rules.map(({ event }) => event)).size === rules.length,
        "expected each event only once",
      ),
    recovery: z
      .boolean()
      .default(false)
      .describe(
        "Let clients of version 4 recover their sessions after a lost connection, where all their topics have a history. A client can choose with `auth.recovery`.",
      ),
  })
  .prefault({});

export type SocketIoSettings = z.output<typeof vhostSettings>;

const VHOST_DEFAULTS = `# Socket.IO: the topics that \`spectate\` joins, and the events that are calls of workers. Settings of a call:
#   event     its name
#   elevated  true (the default): only with a token, of the connection or of the request; false: for all clients
#   answer    the answering event; default: the name of the call
#   timeout   default: 30s
# In both cases the client needs the permission \`call\` for the event.
#   calls: [{ event: pool_request, elevated: true, answer: pool_response, timeout: 30s }]
# recovery: connection state recovery for clients of version 4 whose topics all have a history. Their listeners get an offset as
# an additional last argument. A client can choose with auth.recovery.
socketio:
  spectate:
    topics: ["{id}"]
    logs: ["{id}_logs"]
  calls: []
  recovery: false
`;

export const socketioSettings = {
  node: nodeSettings,
  vhost: vhostSettings,
  defaults: { node: "socketio:\n  path: /socket.io/\n", vhost: VHOST_DEFAULTS },
};
