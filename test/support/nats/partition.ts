import { findFreePorts } from "../../../bench/support/ports.js";
import { cleanUp } from "../clean-up.js";
import { startTcpProxy } from "../net/tcp-proxy.js";
import { routesTo } from "./cluster.js";
import { NatsServer } from "./server.js";

/** Three servers. The first two can be disconnected from each other, and stay connected to the third. */
export interface CuttableNats {
  readonly servers: readonly [NatsServer, NatsServer, NatsServer];
  /** Disconnects the first two. Resolves when both have detected it. */
  readonly cut: () => Promise<void>;
  /** Reconnects them. Resolves when both routes are up. */
  readonly heal: () => Promise<void>;
}

/** Starts the servers. Stops them after the test. */
export async function startCuttableNats(): Promise<CuttableNats> {
  const [first = 0, second = 0, third = 0] = await findFreePorts(3);
  const toSecond = await startTcpProxy(second);
  const toFirst = await startTcpProxy(first);
  const one = cuttable("one", first, [toSecond.port, third]);
  const two = cuttable("two", second, [toFirst.port, third]);
  const three = cuttable("three", third, [first, second]);
  const servers = [one, two, three] as const;
  await Promise.all(servers.map((server) => server.start()));
  await Promise.all(servers.map((server) => routesTo(server, 2)));
  const pair = [one, two];
  return {
    servers,
    async cut() {
      for (const proxy of [toSecond, toFirst]) proxy.shut();
      await Promise.all(pair.map((server) => routesTo(server, 1, 1)));
    },
    async heal() {
      for (const proxy of [toSecond, toFirst]) proxy.open();
      await Promise.all(pair.map((server) => routesTo(server, 2)));
    },
  };
}

/** Advertises an address without a listener, so that servers use only their configured routes. */
function cuttable(name: string, port: number, routes: readonly number[]): NatsServer {
  const urls = routes.map((route) => `nats-route://127.0.0.1:${route}`).join(", ");
  const cluster = `{ name: test, listen: "127.0.0.1:${port}", advertise: "127.0.0.1:1", routes: [${urls}] }`;
  const server = new NatsServer(`server_name: ${name}\nhttp: "127.0.0.1:-1"\ncluster: ${cluster}`);
  cleanUp(() => server.remove());
  return server;
}
