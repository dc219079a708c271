import { LimitedLog } from "../../../src/observe/limited-log.js";
import { createLog } from "../../../src/observe/log.js";
import { type ConfigInput, configReader, parseConfig } from "../../../src/server/config.js";
import { createVhosts, type VhostRuntime } from "../../../src/server/create/create-vhosts.js";
import { DIALECTS } from "../../../src/server/dialects.js";
import type { Store } from "../../../src/store/store.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { cleanUp } from "../clean-up.js";

/** A node's vhosts and who gets in, without the node: nobody is told of what changes. Stopped after the test. */
export function createVhostWorld(input: ConfigInput, store: Store): VhostRuntime {
  const config = parseConfig({ ...input, log: { level: "silent" } });
  const log = createLog(config.log);
  const world = createVhosts(config, {
    log,
    limitedLog: new LimitedLog(log, systemClock),
    store,
    dialects: DIALECTS,
    parse: (path, settings) => configReader.parseVhost(path, settings),
    events: {
      onChanged: () => Promise.resolve(),
      onDeleted: () => Promise.resolve(),
      onChannelRulesChanged: () => Promise.resolve(),
      onChannelClosed: () => Promise.resolve(),
      onHistoryChanged: () => {},
      onLoaded: () => {},
    },
  });
  cleanUp(() => world.vhosts.stop());
  return world;
}
