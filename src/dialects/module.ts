import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { AccessServices, DialectAccess } from "../access/authenticators/dialect-access.js";
import type { Keyring } from "../access/keys/keyring.js";
import type { AdmissionControl } from "../clients/admission-control.js";
import type { Handshakes } from "../clients/handshakes.js";
import type { CommandContext } from "../commands/command-context.js";
import type { DialectSettings, SettingsOutput } from "../config/dialect-settings.js";
import type { Config } from "../config/schema.js";
import type { z } from "../config/schema-builder.js";
import type { Control } from "../control/control.js";
import type { FanOut } from "../core/fan-out.js";
import type { MessageIds } from "../core/message.js";
import type { OutboxContext } from "../core/outbox.js";
import type { Clock } from "../core/ports.js";
import type { Publisher } from "../core/publishing/publisher.js";
import type { ErrorCode } from "../errors.js";
import type { ByteBudget, OpenRequestLease } from "../net/byte-budget.js";
import type { ClientAddress } from "../net/client-address.js";
import type { Handler } from "../net/http-handler.js";
import type { LocalListenerLimits } from "../net/local-listener.js";
import type { PortOptions } from "../net/port-listener.js";
import type { AnswerBudget } from "../rpc/answer-budget.js";
import type { CallAuthorizer } from "../rpc/call-authorizer.js";
import type { Address } from "../util/address.js";
import type { VhostAdmin } from "../vhosts/vhost-admin.js";
import type { Vhosts } from "../vhosts/vhosts.js";
import type { Dispatch } from "../workers/dispatch.js";
import type { DialectCommand } from "./command-line.js";
import type { RouteFinder } from "./routes.js";

type Schema = z.ZodType | undefined;

/**
 * Everything that the node needs to know about a dialect. Each folder beside this file exports one module. The registry
 * (`server/dialects.ts`) lists them.
 */
export interface DialectModule<
  Name extends string = string,
  Node extends Schema = Schema,
  Vhost extends Schema = Schema,
  Addresses extends object = object,
> extends DialectSettings<Name, Node, Vhost> {
  /**
   * Creates the dialect's authentication for a vhost, again whenever the vhost's settings change. Default: the vhost's
   * authenticator.
   * @throws CarillonError invalid_argument, failed_precondition (a file that cannot be read); its text names the setting
   */
  createAccess?(settings: SettingsOutput<Vhost>, tools: AccessServices): DialectAccess;
  /**
   * Checks what a schema cannot: files, and settings that depend on each other. Called before any port listens.
   * @throws CarillonError invalid_argument, failed_precondition
   */
  check?(settings: SettingsOutput<Node>, config: Config): void;
  /** Creates the handlers and ports that serve the dialect. Called before any port listens. */
  create(settings: SettingsOutput<Node>, context: DialectContext): DialectParts<Addresses>;
  /** Whether `page/` has a demo page for the dialect. */
  readonly hasPage?: boolean;
  /** Recognizes connections that reach the gRPC port by mistake. */
  readonly strayFrames?: StrayFrames;
  readonly command?: DialectCommand;
}

/** Infers the types of a module from its schemas. */
export function defineDialect<
  const Name extends string,
  Node extends Schema,
  Vhost extends Schema,
  Addresses extends object,
>(module: DialectModule<Name, Node, Vhost, Addresses>): DialectModule<Name, Node, Vhost, Addresses> {
  return module;
}

/** Detects frames of a protocol whose default port is also the default of gRPC. */
export interface StrayFrames {
  matches(firstBytes: Buffer): boolean;
  /** Advice for the log. */
  readonly advice: string;
}

/** Handlers and ports that serve a dialect on a node. All are optional. */
export interface DialectParts<Addresses extends object = object> {
  /** Finds the routes of WebSocket paths. If several dialects know a path, the first in the registry serves it. */
  readonly webSockets?: RouteFinder;
  /** Serves clients on the HTTP port that do not use plain WebSockets. */
  readonly clients?: ClientListener;
  /** Handlers of the HTTP port by exact path. */
  readonly routes?: ReadonlyMap<string, Handler>;
  readonly ports?: DialectPorts<Addresses>;
}

/** A dialect's own ports. */
export interface DialectPorts<Addresses extends object = object> {
  /**
   * @returns the addresses, by their names in the `ready` log entry and in {@link Addresses}
   * @throws CarillonError failed_precondition: an address is not available
   */
  listen(): Promise<Addresses>;
  /** Stops accepting connections and requests. Resolves when the pending requests are answered. */
  close(): Promise<void>;
  /** Cuts the connections. */
  terminate(): void;
}

/**
 * Listener for requests and upgrades below its own path of the HTTP port. The HTTP port checks their origins; the listener
 * answers CORS requests itself.
 */
export interface ClientListener {
  takes(path: string): boolean;
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /**
   * Returns the number of the process to which a request belongs, of several processes of one machine; undefined for any. Only for
   * paths that it takes.
   */
  ownerOf?(request: IncomingMessage): number | undefined;
  /** Number of clients that count towards the node's limit. */
  readonly connections: number;
  /** Stops accepting connections. */
  close(): void;
  /** Resolves when all clients have disconnected. */
  drained(): Promise<void>;
  /** Cuts the connections. */
  terminate(): void;
}

/** Services of a node for its dialects. */
export interface DialectContext {
  readonly config: Config;
  /** Number of this process, of several processes of one machine that share their ports; undefined for the only one. */
  readonly process: number | undefined;
  readonly clock: Clock;
  readonly vhosts: Vhosts;
  readonly administration: VhostAdmin;
  readonly publisher: Publisher;
  readonly control: Control;
  readonly dispatch: Dispatch;
  readonly keyring: Keyring;
  readonly authorizer: CallAuthorizer;
  readonly answers: AnswerBudget;
  readonly budget: ByteBudget;
  readonly openLease: OpenRequestLease;
  /** Limits for ports that are meant for callers on this machine. */
  readonly bounds: LocalListenerLimits;
  readonly originAllowed: (origin: string | undefined, host: string | undefined) => boolean;
  /** Returns the options of a port at an address: TLS and proxies. */
  readonly createPortOptions: (address: Address) => PortOptions;
  /** Timeouts of requests on HTTP ports, in milliseconds. */
  readonly times: { readonly answer: number; readonly keepAlive: number; readonly request: number };
  /** Receives the duration of each publish until the broker had it, in seconds. */
  readonly onPublished: (seconds: number) => void;
  /** Receives errors that are faults of this server, not refusals. */
  readonly onFault: (cause: unknown) => void;
  readonly clients: ClientContext;
}

/** Options that all listeners for clients share. */
export interface ClientContext {
  readonly commandContext: CommandContext;
  readonly fanOut: FanOut;
  readonly outbox: OutboxContext;
  readonly clock: Clock;
  readonly sessionIds: MessageIds;
  readonly clientAddress: ClientAddress;
  readonly admission: AdmissionControl;
  readonly openLease: OpenRequestLease;
  /** Returns whether a vhost exists now. */
  readonly exists: (vhost: string) => boolean;
  /** Admits or refuses the handshakes of all listeners. */
  readonly handshakes: Handshakes;
  /** Called with the close code of each connection. */
  readonly onClosed: (code: number) => void;
  readonly onUpgradeRefused: (code: ErrorCode) => void;
  readonly onFault: (cause: unknown) => void;
}
