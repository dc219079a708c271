import { once } from "node:events";
import { cpus } from "node:os";
import { WebSocket } from "ws";
import { PublishClient } from "../src/rpc/client.js";
import { Child } from "./support/child.js";
import { numbered, type Tally } from "./support/receiver.js";
import { spread, summarize, table } from "./support/table.js";

/** One server in the race. */
interface Contender {
  readonly name: string;
  readonly server: Child;
  readonly port: number;
  readonly path: string;
  readonly hello?: string;
  /** Publishes these payloads, to be delivered in one turn; resolves when the server has taken them. */
  readonly publish: (payloads: readonly string[]) => Promise<unknown>;
}

interface Measured {
  /** Microseconds of the server's CPU for each delivery. */
  readonly cpu: number;
  readonly perSecond: number;
  readonly tally: Tally & { readonly lost: number };
}

const PAYLOAD_BYTES = 100;

/** Fan-out of one topic: CPU per delivery and deliveries per second, beside a loop of `ws` sends in the same run. */
export async function smoke({ toy }: { readonly toy: boolean }): Promise<void> {
  const sessions = toy ? 20 : 1_000;
  const rounds = toy ? 1 : 5;
  const deliveries = toy ? 2_000 : 400_000;
  const load = new Child("load.js");
  const contenders = [await carillonContender(), await wsContender()];
  const rows: string[][] = [];
  try {
    for (const perTurn of [1, 16, 64]) {
      const turns = Math.max(1, Math.round(deliveries / sessions / perTurn));
      const measured = contenders.map((): Measured[] => []);
      // One warm-up, then rounds in which all take their turn, so that what disturbs the machine disturbs all.
      for (let round = -1; round < rounds; round += 1) {
        for (const [position, contender] of contenders.entries()) {
          process.stderr.write(`smoke: ${perTurn} a turn, round ${round + 1} of ${rounds}, ${contender.name}\n`);
          const result = await measure(contender, load, { sessions, perTurn, turns });
          if (round >= 0) measured[position]?.push(result);
        }
      }
      rows.push(...rowsOf(contenders, measured, perTurn));
    }
  } finally {
    await Promise.all([load, ...contenders.map(({ server }) => server)].map((child) => child.stop()));
  }
  const head = [
    "messages a turn",
    "server",
    "CPU µs a delivery",
    "deliveries/s",
    "CPU beside ws loop",
    "lost, dup., misord.",
  ];
  process.stdout.write(
    `${sessions} sessions in 1 topic, ${PAYLOAD_BYTES} B, ${rounds} rounds, median (least to most); ` +
      `Node ${process.version}, ${cpus().length} cores\n\n${table(head, rows)}\n`,
  );
}

async function measure(
  { hello, path, port, publish, server }: Contender,
  load: Child,
  { perTurn, sessions, turns }: { readonly perTurn: number; readonly sessions: number; readonly turns: number },
): Promise<Measured> {
  await load.ask("connect", { port, path, hello, clients: sessions });
  let number = 0;
  const begin = { cpu: await server.cpu(), time: performance.now() };
  for (let turn = 1; turn <= turns; turn += 1) {
    const payloads = Array.from({ length: perTurn }, () => {
      number += 1;
      return numbered(number, PAYLOAD_BYTES);
    });
    await publish(payloads);
    // What was published has been taken by all before the next turn begins: turns never melt into one.
    await load.ask("arrived", turn * perTurn * sessions);
  }
  const time = performance.now() - begin.time;
  const cpu = (await server.cpu()) - begin.cpu;
  const total = turns * perTurn * sessions;
  const tally = await load.ask<Tally>("tally");
  return { cpu: cpu / total, perSecond: (total / time) * 1_000, tally: { ...tally, lost: total - tally.received } };
}

function rowsOf(
  contenders: readonly Contender[],
  measured: readonly (readonly Measured[])[],
  perTurn: number,
): string[][] {
  const floor = summarize(measured.at(-1)?.map(({ cpu }) => cpu) ?? []).median;
  return contenders.map(({ name }, position) => {
    const results = measured[position] ?? [];
    const cpu = summarize(results.map((result) => result.cpu));
    const perSecond = summarize(results.map((result) => result.perSecond / 1_000));
    const sum = (pick: (tally: Measured["tally"]) => number) =>
      results.reduce((all, { tally }) => all + pick(tally), 0);
    return [
      String(perTurn),
      name,
      spread(cpu, 2),
      `${spread(perSecond, 0)} k`,
      `${(cpu.median / floor).toFixed(2)} ×`,
      `${sum((tally) => tally.lost)}, ${sum((tally) => tally.duplicated)}, ${sum((tally) => tally.misordered)}`,
    ];
  });
}

async function carillonContender(): Promise<Contender> {
  const server = new Child("servers/carillon.js");
  const { grpc, port } = await server.ask<{ readonly grpc: string; readonly port: number }>("start");
  const client = new PublishClient(grpc);
  return {
    name: "carillon",
    server,
    port,
    path: "/ws",
    hello: '{"command":"join","topics":["bench"]}',
    publish: (payloads) =>
      client.publish(
        { messages: payloads.map((payload) => ({ topics: ["bench"], payload: Buffer.from(payload) })) },
        { async: false },
      ),
  };
}

async function wsContender(): Promise<Contender> {
  const server = new Child("servers/ws-loop.js");
  const { port } = await server.ask<{ readonly port: number }>("start");
  const publisher = new WebSocket(`ws://127.0.0.1:${port}/publish`, { perMessageDeflate: false });
  await once(publisher, "open");
  return {
    name: "ws send loop",
    server,
    port,
    path: "/",
    publish: async (payloads) => {
      const taken = once(publisher, "message");
      publisher.send(JSON.stringify(payloads));
      await taken;
    },
  };
}
