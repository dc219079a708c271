import { findFreePorts } from "../../../bench/support/ports.js";
import { cleanUp } from "../clean-up.js";
import { monitor } from "./monitor.js";
import { NatsServer } from "./server.js";

/**
 * Starts servers with routes to each other on the loopback address, and stops them after the test.
 * @param config - further lines of each server's configuration
 */
export async function startNatsCluster(size: number, config: () => string = () => ""): Promise<NatsServer[]> {
  const ports = await findFreePorts(size);
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`).join(", ");
  const servers = ports.map((port, position) => {
    const cluster = `cluster: { name: test, listen: "127.0.0.1:${port}", routes: [${routes}] }`;
    const server = new NatsServer(`server_name: s${position}\nhttp: "127.0.0.1:-1"\n${cluster}\n${config()}`);
    cleanUp(() => server.remove());
    return server;
  });
  await Promise.all(servers.map((server) => server.start()));
  await Promise.all(servers.map((server) => routesTo(server, size - 1)));
  return servers;
}

/**
 * Resolves when the server has routes to this number of others. Polls its monitoring port.
 * @param most - maximum number of routes
 */
export async function routesTo(server: NatsServer, others: number, most = Number.POSITIVE_INFINITY): Promise<void> {
  for (;;) {
    const { routes } = await monitor<{ routes: readonly { readonly remote_id: string }[] }>(server, "routez");
    const { size } = new Set(routes.map((route) => route.remote_id));
    if (size >= others && size <= most) return;
  }
}
