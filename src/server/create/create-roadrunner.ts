import type { Config } from "../../config/schema.js";
import type { Publisher } from "../../core/publisher.js";
import { RoadRunnerListener } from "../../dialects/roadrunner/listener.js";
import { CarillonError } from "../../errors.js";
import type { ByteBudget } from "../../net/byte-budget.js";
import type { LocalListenerLimits } from "../../net/local-listener.js";
import type { OnPublished } from "../../rpc/services/publish/broadcast.js";
import { formatListenUrl } from "../../util/listen-url.js";
import { errorText } from "../../util/native-error.js";
import { systemClock } from "../../util/system-clock.js";
import type { Vhosts } from "../../vhosts/vhosts.js";

interface RoadRunnerServices {
  readonly vhosts: Vhosts;
  readonly publisher: Publisher;
  readonly budget: ByteBudget;
  readonly bounds: LocalListenerLimits;
  readonly onPublished: OnPublished;
  readonly onFault: (cause: unknown) => void;
}

/** Listeners for RoadRunner's RPC, one for each that is configured. */
export class RoadRunnerPorts {
  readonly #listeners: readonly { readonly url: string; readonly listener: RoadRunnerListener }[];

  constructor({ limits, roadrunner }: Config, { vhosts, ...services }: RoadRunnerServices) {
    this.#listeners = roadrunner.map(({ listen: url, vhost }) => ({
      url: formatListenUrl(url),
      listener: new RoadRunnerListener({
        ...services,
        url,
        source: { kind: "backend", vhost, sender: "", skipsEmptyTopics: true, refusal: () => undefined },
        checkVhost: () => {
          if (vhosts.loaded) vhosts.require(vhost);
          else if (vhosts.get(vhost) === undefined) {
            throw new CarillonError("unavailable", "the vhosts are not known yet: try again");
          }
        },
        requestBytes: limits.request,
        connections: limits.connections,
        clock: systemClock,
      }),
    }));
  }

  /**
   * @returns where they listen, such as `tcp://127.0.0.1:6002`
   * @throws CarillonError failed_precondition
   */
  async listen(): Promise<string[]> {
    const urls: string[] = [];
    for (const { listener, url } of this.#listeners) urls.push(await listenAtUrl(listener, url));
    return urls;
  }

  /** Accepts nothing more. Resolves when the requests under way are answered. */
  async close(): Promise<void> {
    await Promise.all(this.#listeners.map(({ listener }) => listener.close()));
  }

  /** Cuts the connections. */
  terminate(): void {
    for (const { listener } of this.#listeners) listener.terminate();
  }
}

async function listenAtUrl(listener: RoadRunnerListener, url: string): Promise<string> {
  try {
    return await listener.listen();
  } catch (cause) {
    throw new CarillonError("failed_precondition", `cannot listen on roadrunner address ${url}: ${errorText(cause)}`, {
      cause,
    });
  }
}
