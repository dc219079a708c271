import { carillon, nodeContender, startNode } from "./support/carillon.js";
import { type Contender, withContenders } from "./support/contender.js";
import { measureFanOut } from "./support/fan-out.js";
import { cpuOf, fanOutTable, type Line } from "./support/fan-out-table.js";
import { startNats } from "./support/nats.js";
import { joinText } from "./support/payload.js";
import { race } from "./support/race.js";
import type { Bar, Benchmark } from "./support/report.js";

const BYTES = 100;
const LIMIT = 1.1;

/** Measures fan-out through a real nats-server: the publisher uses one node, the measured sessions another. */
export const nats: Benchmark = ({ profiles, rounds, toy }) => {
  const sessions = toy ? 20 : 1_000;
  return withContenders([() => carillon({ name: "memory" }), () => startNatsPair(profiles)], async (contenders) => {
    for (const contender of contenders) {
      await contender.connect(Array.from({ length: sessions }, () => joinText([0])));
    }
    const lines: Line[] = [];
    const bars: Bar[] = [];
    for (const messages of [1, 16, 64]) {
      const turn = Array.from({ length: messages }, () => 0);
      const turns = {
        topics: () => turn,
        members: () => sessions,
        bytes: BYTES,
        milliseconds: toy ? 0 : 1_500,
        atLeast: 3,
      };
      const what = `nats: ${messages} per turn`;
      const results = await race(what, rounds, contenders, (contender) => measureFanOut(contender, turns));
      const [memory = [], ours] = results;
      for (const [position, { name }] of contenders.entries()) {
        lines.push({ setting: String(messages), name, results: results[position] ?? [], beside: memory });
      }
      const found = cpuOf(ours) / cpuOf(memory);
      bars.push({ what: `CPU per delivery vs memory, ${messages} per turn`, limit: LIMIT, found, unit: "×" });
    }
    return {
      how: `1 topic, ${sessions} sessions, messages of ${BYTES} B, published at another node; CPU of the delivering node. With the memory broker, one node also takes the publishes.`,
      parts: [fanOutTable("messages per turn", "memory", lines)],
      bars,
    };
  });
};

async function startNatsPair(profiles: string | undefined): Promise<Contender> {
  const server = await startNats();
  const config = { brokers: { nats: { driver: "nats" as const, servers: [server.url] } } };
  const publishing = await startNode({ config });
  const delivering = await startNode({ config, profiles });
  return nodeContender("through NATS", delivering, {
    profiles,
    publishAt: publishing.grpc,
    end: () => {
      void publishing.child.stop();
      server.stop();
    },
  });
}
