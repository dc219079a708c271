import { randomBytes } from "node:crypto";
import { BroadcastService } from "../../gen/websockets/v1/websockets_pb.js";
import type { BrokerRegistry } from "../brokers/registry.js";
import type { Services } from "../commands/services.js";
import { type Config, DEFAULT_VHOST } from "../config/schema.js";

import type { Drops } from "../core/drops.js";
import { FanOut } from "../core/fan-out.js";
import { Hub } from "../core/hub.js";
import { Interest } from "../core/interest.js";
import { MessageIds } from "../core/message.js";
import { OutboxContext } from "../core/outbox.js";
import { Publisher } from "../core/publisher.js";
import { TopicIndex } from "../core/topic-index.js";
import { NativeDialect } from "../dialects/native/dialect.js";
import { CarillonError } from "../errors.js";
import { healthz, readyz } from "../observe/health.js";
import type { Logger } from "../observe/log.js";
import { Metrics } from "../observe/metrics.js";
import { BroadcastImplementation } from "../rpc/broadcast.js";
import { broadcastCodec } from "../rpc/broadcast-codec.js";
import { connectMount } from "../rpc/connect-mount.js";
import { GrpcMount } from "../rpc/grpc-mount.js";
import { Heartbeat } from "../transport/heartbeat.js";
import { type Handler, HttpListener } from "../transport/http-listener.js";
import { originCheck } from "../transport/origin.js";
import { pageRoutes } from "../transport/page.js";
import { WebSocketListener } from "../transport/websocket-listener.js";
import { formatAddress, isLoopback } from "../util/address.js";
import { systemClock } from "../util/system-clock.js";
import { before } from "./before.js";
import { createBrokers } from "./create-brokers.js";
import { topicRules } from "./topic-rules.js";

/** Where a node can be reached. */
export interface Addresses {
  /** URL of the HTTP port, such as `http://127.0.0.1:8080`. */
  readonly http: string;
  /** HOST:PORT of the gRPC port. */
  readonly grpc: string;
}

/** A node: everything built and joined together, the order in which it starts, and the order in which it stops. */
export class Server {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #brokers: BrokerRegistry;
  readonly #fanOut: FanOut;
  readonly #hub: Hub;
  readonly #interest: Interest;
  readonly #publisher: Publisher;
  readonly #broadcast: BroadcastImplementation;
  readonly #heartbeat: Heartbeat;
  readonly #webSockets: WebSocketListener;
  readonly #http: HttpListener;
  readonly #grpc: GrpcMount;
  readonly #drops: Drops = { disconnect: 0, drop_oldest: 0, latest: 0 };
  #unconfirmed = 0;
  #addresses: Addresses | undefined;
  #announcedReady = false;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(config: Config, log: Logger) {
    this.#config = config;
    this.#log = log;
    const { limits } = config;
    const node = randomBytes(6).toString("hex");
    const index = new TopicIndex(topicRules(config));
    const outbox = new OutboxContext(limits.outbox, this.#drops);
    this.#fanOut = new FanOut({
      endOfTurn: setImmediate,
      clock: systemClock,
      outbox,
      onSlow: (session) => {
        this.#hub.remove(session, "slow_consumer");
      },
    });
    this.#interest = new Interest(index, this.#fanOut, systemClock, config.interest_linger);
    this.#hub = new Hub(this.#fanOut, (topic) => {
      this.#interest.release(topic);
    });
    this.#brokers = this.#createBrokers(node);
    this.#publisher = new Publisher({
      brokers: this.#brokers,
      ids: new MessageIds(node),
      clock: systemClock,
      limits: {
        payloadBytes: limits.payload,
        topicsPerMessage: limits.topics_per_message,
        expandedBytes: limits.expanded_request,
      },
      clientsMayPublish: new Set(config.vhosts[DEFAULT_VHOST].client_publish ? [DEFAULT_VHOST] : []),
      onUnconfirmed: (messages, cause) => {
        this.#unconfirmed += messages;
        this.#log.warn({ messages, err: cause }, "accepted messages may be lost");
      },
    });
    this.#metrics = this.#createMetrics(index);
    const services: Services = {
      brokers: this.#brokers,
      hub: this.#hub,
      index,
      interest: this.#interest,
      publisher: this.#publisher,
      limits: { topicsPerConnection: limits.topics_per_connection },
    };
    this.#heartbeat = new Heartbeat({ clock: systemClock, ...config.ping });
    this.#webSockets = new WebSocketListener({
      services,
      fanOut: this.#fanOut,
      dialects: new Map([["/ws", { dialect: new NativeDialect(limits.malformed_frames), vhost: DEFAULT_VHOST }]]),
      sessionIds: new MessageIds(node),
      heartbeat: this.#heartbeat,
      limits: { connections: limits.connections, frameBytes: limits.frame },
      outbox,
      compression: config.compression,
      onClosed: (code) => {
        this.#metrics.countClose(code);
      },
    });
    this.#broadcast = new BroadcastImplementation(this.#publisher, DEFAULT_VHOST, (seconds) => {
      this.#metrics.observePublish(seconds);
    });
    const rpc = {
      services: [{ service: BroadcastService, implementation: this.#broadcast, codec: broadcastCodec }],
      requestBytes: limits.request,
      onFault: (cause: unknown) => {
        this.#log.error({ err: cause }, "a request failed by a fault of this server");
      },
    };
    this.#grpc = new GrpcMount({ address: config.grpc, ...rpc });
    this.#http = new HttpListener({
      address: config.http,
      originAllowed: originCheck({ allowed: config.origins, sameOrigin: !isLoopback(config.http.host) }),
      routes: this.#createRoutes(),
      rpc: connectMount(rpc),
      upgrade: (request, url, socket, head) => {
        this.#webSockets.upgrade(request, url, socket, head);
      },
    });
  }

  /** Undefined until the node listens. */
  get addresses(): Addresses | undefined {
    return this.#addresses;
  }

  /**
   * Resolves when the node listens. Brokers that cannot be reached yet are tried on; until they are there, `/readyz`
   * says no.
   * @throws CarillonError failed_precondition when a broker refuses this node, or an address cannot be had
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    try {
      await Promise.all([...this.#brokers.all].map(({ driver }) => driver.start()));
      const grpc = await this.#listen("grpc", this.#grpc);
      const http = await this.#listen("http", this.#http);
      this.#addresses = { http: `http://${formatAddress(http)}`, grpc: formatAddress(grpc) };
    } catch (error) {
      this.#stopping ??= this.#stop();
      await this.#stopping;
      throw error;
    }
    this.#heartbeat.start();
    this.#showReadiness();
    if (!this.#announcedReady) {
      this.#log.warn({ ...this.#addresses, waiting_for: this.#brokers.down }, "listening, not ready yet");
    }
  }

  /** Stops gracefully, within the configured time. Calling it again waits for the same stop. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopOnceStarted();
    return this.#stopping;
  }

  /** What half of a start has opened could not be closed. */
  async #stopOnceStarted(): Promise<void> {
    await this.#starting?.catch(ignore);
    await this.#stop();
  }

  async #stop(): Promise<void> {
    const end = systemClock.now() + this.#config.stop_timeout;
    this.#grpc.setServing(false);
    const closed = [this.#http.close(), this.#grpc.close()];
    this.#broadcast.stop();
    await before(end, this.#publisher.close());

    this.#fanOut.flush();
    for (const session of this.#hub.sessions) this.#hub.remove(session, "service_restart");
    this.#heartbeat.stop();
    this.#interest.stop();
    const drained = await before(end, Promise.all([this.#webSockets.drained(), ...closed]));
    if (!drained) this.#log.warn("cutting connections that did not end in time");
    this.#webSockets.terminate();
    this.#http.terminate();
    this.#grpc.terminate();

    const left = Math.max(100, end - systemClock.now());
    await Promise.all([...this.#brokers.all].map(({ driver }) => driver.stop(left)));
    this.#log.info("stopped");
  }

  async #listen(name: "http" | "grpc", listener: HttpListener | GrpcMount) {
    try {
      return await listener.listen();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const text = `cannot listen on ${name} address ${formatAddress(this.#config[name])}: ${reason}`;
      throw new CarillonError("failed_precondition", text, { cause });
    }
  }

  #readiness(): string[] {
    if (this.#stopping !== undefined) return ["stopping"];
    if (this.#addresses === undefined) return ["starting"];
    return this.#brokers.down.map((name) => `broker ${name} is not connected`);
  }

  /** Tells the health service, and the log the first time, when the node has become ready or no longer is. */
  #showReadiness(): void {
    const ready = this.#readiness().length === 0;
    this.#grpc.setServing(ready);
    if (!ready || this.#announcedReady) return;
    this.#announcedReady = true;
    this.#log.info({ ...this.#addresses }, "ready");
  }

  #createBrokers(node: string): BrokerRegistry {
    return createBrokers(this.#config, {
      node,
      log: this.#log,
      onUp: () => {
        if (this.#addresses !== undefined) this.#showReadiness();
      },
      onDown: () => {
        this.#showReadiness();
      },
    });
  }

  #createMetrics(index: TopicIndex): Metrics {
    return new Metrics({
      connections: () => this.#webSockets.connections,
      topics: () => index.size,
      messagesIn: () => ({ backend: this.#publisher.accepted.backend, client: this.#publisher.accepted.client }),
      bytesIn: () => this.#publisher.accepted.bytes,
      messagesOut: () => this.#fanOut.delivered.messages,
      bytesOut: () => this.#fanOut.delivered.bytes,
      drops: () => {
        const { disconnect, drop_oldest, latest } = this.#drops;
        return { slow_consumer: disconnect, drop_oldest, latest, unconfirmed: this.#unconfirmed };
      },
      brokers: () => Object.fromEntries([...this.#brokers.all].map(({ driver, name }) => [name, driver.up ? 1 : 0])),
    });
  }

  #createRoutes(): Map<string, Handler> {
    const { http, page } = this.#config;
    const withPage = page === "on" || (page === "auto" && isLoopback(http.host));
    return new Map<string, Handler>([
      ...(withPage ? pageRoutes() : []),
      ["/healthz", healthz],
      ["/readyz", readyz(() => this.#readiness())],
      ["/metrics", this.#metrics.handler],
    ]);
  }
}

/** Whoever started it is told. */
function ignore(): void {}
