import { readSettings } from "../../config/dialect-settings.js";
import { MessageDeadlines } from "../../transport/receiving/message-deadlines.js";
import { ignore } from "../../util/ignore.js";
import { defineDialect } from "../module.js";
import { SocketIoListener } from "./engine/listener.js";
import { RECOVERED_ELSEWHERE } from "./recovery/recovered-elsewhere.js";
import { type SocketIoSettings, socketioSettings } from "./settings.js";

export const socketio = defineDialect({
  name: "socketio",
  serves: "clients",
  settings: socketioSettings,
  hasPage: true,
  create: ({ path }, { clients, clock, config, control, process, vhosts }) => ({
    clients: new SocketIoListener({
      ...clients,
      path,
      process,
      deadlines: new MessageDeadlines({ clock, timeout: config.timeouts.request }),
      settingsFor: (vhost) => readSettings(vhosts.require(vhost).settings, "socketio") as SocketIoSettings,
      hasHistory: (vhost) => vhosts.require(vhost).history !== undefined,
      recoveryKeyFor: (vhost) => vhosts.require(vhost).issuer.deriveKey("socketio recovery"),
      endElsewhere: (vhost, connectionId) => {
        control.connections.disconnect({ vhost }, { connectionId }, RECOVERED_ELSEWHERE).catch(ignore);
      },
      ping: config.ping,
      frameBytes: config.limits.frame,
      malformedFrames: config.limits.malformed_frames,
    }),
  }),
});
