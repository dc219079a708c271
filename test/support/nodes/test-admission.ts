import { type WebSocket, WebSocketServer } from "ws";
import { Permissions } from "../../../src/access/decide/permissions.js";
import type { AdmissionRequest, AdmittedClient } from "../../../src/clients/admission.js";
import { Handshakes } from "../../../src/clients/handshakes.js";
import { NativeDialect } from "../../../src/dialects/native/dialect.js";
import { vhostPaths } from "../../../src/dialects/routes.js";
import { createClientAddress } from "../../../src/net/client-address.js";
import type { PortOptions } from "../../../src/net/port-listener.js";
import type { UpgradePolicy } from "../../../src/transport/admission/admission-request.js";
import { chooseProtocol } from "../../../src/transport/admission/credential.js";
import { UpgradeAdmission, type UpgradeAdmissionOptions } from "../../../src/transport/admission/upgrade-admission.js";
import { HttpListener, type HttpListenerOptions } from "../../../src/transport/http/http-listener.js";
import { withResolvers } from "../../../src/util/with-resolvers.js";
import { cleanUp } from "../clean-up.js";
import { ManualClock } from "../manual-clock.js";
import { Queue } from "../queue.js";
import { ampleLeases } from "./byte-budget.js";

/** An admission that the test decides on. */
export interface Decision {
  readonly admissionRequest: AdmissionRequest;
  readonly admit: (topics?: readonly string[]) => void;
  readonly refuse: (cause: unknown) => void;
}

export interface TestAdmissionOptions extends Partial<UpgradeAdmissionOptions & PortOptions & HttpListenerOptions> {
  readonly policy?: Partial<UpgradePolicy>;
  /** Maximum number of clients. */
  readonly limit?: number;
  /** Handshakes per second; undefined for no limit. */
  readonly rate?: number;
}

/** An HTTP listener whose admitted clients receive an echo of what they send. */
export class TestAdmission {
  readonly admission: UpgradeAdmission;
  readonly http: HttpListener;
  /** The time of admissions. */
  readonly clock = new ManualClock();
  /** The time that peers have to take answers. */
  readonly answerClock = new ManualClock();
  /** Admission requests, in order. */
  readonly admissionRequests = new Queue<AdmissionRequest>();
  readonly decisions = new Queue<Decision>();
  readonly faults: unknown[] = [];
  readonly clients = new Set<WebSocket>();
  /** Ids of connections that have given back what they counted against. */
  readonly released = new Queue<string>();
  #ids = 0;
  #url = "";

  constructor({ limit = 100, policy, rate, ...options }: TestAdmissionOptions = {}) {
    const webSockets = new WebSocketServer({ noServer: true, clientTracking: false, handleProtocols: chooseProtocol });
    this.admission = new UpgradeAdmission({
      routeAt: vhostPaths("/ws", new NativeDialect(), (vhost) => ["/", "/shop", "/shop/eu"].includes(vhost)),
      admission: {
        admit: (admissionRequest) => this.admitted(admissionRequest),
        forwardedParts: () => [],
        credentialSources: () => ({ header: true, protocol: true, cookie: "session", query: true }),
        ...policy,
      },
      clientAddress: createClientAddress(undefined),
      openLease: ampleLeases(),
      nextId: () => `id-${(this.#ids += 1)}`,
      handshakes: new Handshakes({
        clock: this.clock,
        rate,
        clientCount: () => this.clients.size,
        limit,
        retry: { from: 1_000, to: 10_000 },
      }),
      clock: this.clock,
      onFault: (cause) => this.faults.push(cause),
      openSession: ({ admitted, head, request, socket }) => {
        let opened = false;
        webSockets.handleUpgrade(request, socket, head, (webSocket) => {
          opened = true;
          this.clients.add(webSocket);
          webSocket.on("error", () => {});
          webSocket.on("message", (data: Buffer) => webSocket.send(data.toString()));
          webSocket.on("close", () => {
            this.clients.delete(webSocket);
            admitted.release();
          });
        });
        return opened;
      },
      ...options,
    });
    this.http = new HttpListener({
      address: { host: "127.0.0.1", port: 0 },
      originAllowed: () => true,
      routes: new Map([["/", (_request, response) => response.end("page")]]),
      rpc: { prefixes: [], handler: () => {} },
      upgrades: { upgrade: (request, url, socket, head) => this.admission.handle(request, url, socket, head) },
      clock: this.answerClock,
      ...options,
    });
  }

  /** `http://127.0.0.1:PORT` */
  get url(): string {
    return this.#url;
  }

  async start(): Promise<this> {
    const { port } = await this.http.listen();
    this.#url = `http://127.0.0.1:${port}`;
    cleanUp(() => this.stop());
    return this;
  }

  async stop(): Promise<void> {
    const closed = this.http.close();
    this.admission.close();
    for (const webSocket of this.clients) webSocket.terminate();
    this.http.terminate();
    await closed;
  }

  admitted(admissionRequest: AdmissionRequest, topics: readonly string[] = []): AdmittedClient {
    this.admissionRequests.push(admissionRequest);
    return {
      principal: { user: "ann", permissions: Permissions.NONE, expires: undefined, info: "{}" },
      topics,
      upgrade: undefined,
      runConnectHook: () => Promise.resolve(undefined),
      connectHookDone: true,
      changeConnectionId: () => Promise.resolve(),
      exchange: () => {},
      release: () => this.released.push(admissionRequest.connectionId),
    };
  }
}

/** Starts a listener whose clients wait until the test decides on them. */
export function startWaitingAdmission(
  options: Partial<UpgradeAdmissionOptions & PortOptions> & Pick<TestAdmissionOptions, "limit"> = {},
): Promise<TestAdmission> {
  const server: TestAdmission = new TestAdmission({
    policy: {
      admit: (admissionRequest) => {
        const { promise, reject, resolve } = withResolvers<AdmittedClient>();
        server.decisions.push({
          admissionRequest,
          admit: (topics) => resolve(server.admitted(admissionRequest, topics)),
          refuse: reject,
        });
        return promise;
      },
    },
    ...options,
  });
  return server.start();
}
