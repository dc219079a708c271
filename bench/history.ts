import { measureStoredFanOut } from "./history/fan-out.js";
import { measureStoredPublishes } from "./history/publish.js";
import { measureScrollback } from "./history/scrollback.js";
import { startHistorySetting } from "./history/setting.js";
import { measureReturns } from "./history/storm.js";
import type { Benchmark } from "./support/report.js";

/** Measures topics with history through a real nats-server. */
export const history: Benchmark = async (options) => {
  const setting = await startHistorySetting(options.profiles);
  try {
    const fanOut = await measureStoredFanOut(setting, options);
    const publishes = await measureStoredPublishes(setting, options);
    const returns = await measureReturns(setting, options);
    const scrollback = await measureScrollback(setting, options);
    return {
      how: "Messages of 100 B in one JetStream stream of one nats-server. Fan-out: the same sessions are in a topic with history and in one without, published at another node; CPU of the delivering node. Publishes: CPU of the process that publishes. Storm: 256 handshakes at a time; the clients have missed 16 to 24 messages (9 positions).",
      parts: [fanOut.part, publishes.part, returns.part, scrollback.part],
      bars: [...fanOut.bars, ...publishes.bars, ...returns.bars],
    };
  } finally {
    await setting.stop();
  }
};
