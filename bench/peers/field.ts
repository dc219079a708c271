import { type Node, type NodeOptions, profilerOf, startNode } from "../support/carillon.js";
import { Contender } from "../support/contender.js";
import { GrpcLoad, PUBLISH_PATH } from "../support/grpc.js";
import { countConfirmed, encodeEntries } from "../support/requests.js";
import { centrifugoContender, startCentrifugo } from "./centrifugo.js";
import { startFloor } from "./floor.js";
import { inOrder } from "./in-order.js";

/** Paths of the programs that Carillon is compared with; undefined: skipped. */
export interface Field {
  readonly centrifugo: string | undefined;
  readonly floor: string | undefined;
}

/** Makes a contender of a node. Like Centrifugo's, its publisher makes one unary call for each turn, one after the other. */
export function carillonContender({ child, grpc, port }: Node, profiles?: string): Contender {
  const load = new GrpcLoad(grpc);
  return new Contender({
    name: "Carillon",
    server: child,
    port,
    path: "/ws",
    profiler: profilerOf(child, profiles),
    publish: inOrder(async (entries) => {
      const confirmed = countConfirmed(await load.call(PUBLISH_PATH, encodeEntries(entries)));
      if (confirmed !== entries.length) throw new Error(`${confirmed} of ${entries.length} messages were confirmed`);
    }),
    end: () => {
      load.close();
    },
  });
}

/** Returns what starts Carillon and the peers. @param options - of the node; by default without a floor in C */
export function beginAll(
  { centrifugo, floor }: Field,
  options: NodeOptions = {},
  withFloor = false,
): (() => Promise<Contender>)[] {
  return [
    async () => carillonContender(await startNode(options), options.profiles),
    ...(centrifugo === undefined ? [] : [async () => centrifugoContender(await startCentrifugo(centrifugo))]),
    ...(floor === undefined || !withFloor ? [] : [() => startFloor(floor)]),
  ];
}
