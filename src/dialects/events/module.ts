import { pathPrefix, z } from "../../config/schema-builder.js";
import { defineDialect } from "../module.js";
import { EventsListener } from "./listener.js";

const nodeSettings = z
  .strictObject({ base: pathPrefix("/events").describe("Path prefix of server-sent events.") })
  .prefault({});

/** The dialect of server-sent events. */
export const events = defineDialect({
  name: "events",
  serves: "clients",
  settings: { node: nodeSettings, vhost: undefined, defaults: { node: "events:\n  base: /events\n" } },
  create: ({ base }, { clients, config }) => ({
    clients: new EventsListener({ ...clients, base, ping: config.ping }),
  }),
});
