import { CarillonError } from "../../errors.js";
import { listenFailure } from "../../net/port-listener.js";
import { formatListenUrl, type ListenUrl } from "../../util/listen-url.js";
import type { DialectContext, DialectPorts } from "../module.js";
import { RoadRunnerListener } from "./listener.js";

interface ListenerSettings {
  readonly listen: ListenUrl;
  readonly vhost: string;
}

export interface RoadRunnerAddresses {
  /** URLs of the listeners for RoadRunner's RPC, such as `tcp://127.0.0.1:6002`, in the order configured. */
  readonly roadrunner: readonly string[];
}

/** Creates the configured listeners for RoadRunner's RPC. */
export function createRoadRunnerPorts(
  configured: readonly ListenerSettings[],
  context: DialectContext,
): DialectPorts<RoadRunnerAddresses> {
  const listeners = configured.map(({ listen, vhost }) => ({
    url: formatListenUrl(listen),
    listener: createListener(listen, vhost, context),
  }));
  return {
    listen: async () => {
      const roadrunner: string[] = [];
      for (const { listener, url } of listeners) roadrunner.push(await listenAtUrl(listener, url));
      return { roadrunner };
    },
    close: async () => {
      await Promise.all(listeners.map(({ listener }) => listener.close()));
    },
    terminate: () => {
      for (const { listener } of listeners) listener.terminate();
    },
  };
}

async function listenAtUrl(listener: RoadRunnerListener, url: string): Promise<string> {
  try {
    return await listener.listen();
  } catch (cause) {
    throw listenFailure("roadrunner", url, cause);
  }
}

function createListener(url: ListenUrl, vhost: string, { vhosts, ...context }: DialectContext): RoadRunnerListener {
  const { limits } = context.config;
  return new RoadRunnerListener({
    ...context,
    url,
    source: { kind: "backend", vhost, sender: "", skipsEmptyTopics: true, refusal: () => undefined },
    checkVhost: () => {
      if (vhosts.loaded) vhosts.require(vhost);
      else if (vhosts.get(vhost) === undefined) {
        throw new CarillonError("unavailable", "the vhosts are still loading: try again");
      }
    },
    requestBytes: limits.request,
    get connections() {
      return limits.connections;
    },
  });
}
