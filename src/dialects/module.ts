import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { AccessTools, DialectAccess } from "../access/authenticators/dialect-access.js";
import type { Keyring } from "../access/keys/keyring.js";
import type { AdmissionControl } from "../clients/admission-control.js";
import type { CommandContext } from "../commands/command-context.js";
import type { DialectSettings, SettingsOutput } from "../config/dialect-settings.js";
import type { Config } from "../config/schema.js";
import type { z } from "../config/schema-builder.js";
import type { Control } from "../control/control.js";
import type { FanOut } from "../core/fan-out.js";
import type { MessageIds } from "../core/message.js";
import type { OutboxContext } from "../core/outbox.js";
import type { Clock } from "../core/ports.js";
import type { Publisher } from "../core/publisher.js";
import type { ErrorCode } from "../errors.js";
import type { ByteBudget, OpenRequestLease } from "../net/byte-budget.js";
import type { ClientAddress } from "../net/client-address.js";
import type { Handler } from "../net/http-handler.js";
import type { LocalListenerLimits } from "../net/local-listener.js";
import type { PortOptions } from "../net/port-listener.js";
import type { AnswerBudget } from "../rpc/answer-budget.js";
import type { Gatekeeper } from "../rpc/gatekeeper.js";
import type { Address } from "../util/address.js";
import type { VhostAdmin } from "../vhosts/vhost-admin.js";
import type { Vhosts } from "../vhosts/vhosts.js";
import type { Dispatch } from "../workers/dispatch.js";
import type { DialectCommand } from "./command-line.js";
import type { RouteFinder } from "./routes.js";

type Schema = z.ZodType | undefined;

/**
 * Everything that the node needs to know of a dialect. Each folder beside this file exports one, and the registry
 * (`server/dialects.ts`) lists them.
 */
export interface DialectModule<
  Name extends string = string,
  Node extends Schema = Schema,
  Vhost extends Schema = Schema,
  Addresses extends object = object,
> extends DialectSettings<Name, Node, Vhost> {
  /**
   * Makes a vhost's own ways in; made anew whenever its settings change. Default: the vhost's authenticator.
   * @throws CarillonError invalid_argument, failed_precondition (a file that cannot be read), naming the setting
   */
  createAccess?(settings: SettingsOutput<Vhost>, tools: AccessTools): DialectAccess;
  /**
   * Checks what no schema can: files, and settings that depend on each other. Nothing listens yet.
   * @throws CarillonError invalid_argument, failed_precondition
   */
  check?(settings: SettingsOutput<Node>, config: Config): void;
  /** Makes what serves the dialect. Nothing listens yet. */
  create(settings: SettingsOutput<Node>, context: DialectContext): DialectParts<Addresses>;
  /** Whether `page/` has a module to try it with. */
  readonly hasPage?: boolean;
  /** Recognizes connections that reach the gRPC port by mistake. */
  readonly strayFrames?: StrayFrames;
  readonly command?: DialectCommand;
}

/** Lets the types of a module follow from its schemas. */
export function defineDialect<
  const Name extends string,
  Node extends Schema,
  Vhost extends Schema,
  Addresses extends object,
>(module: DialectModule<Name, Node, Vhost, Addresses>): DialectModule<Name, Node, Vhost, Addresses> {
  return module;
}

/** Frames of a protocol that has the default gRPC port for its own. */
export interface StrayFrames {
  matches(firstBytes: Buffer): boolean;
  /** For the log. */
  readonly advice: string;
}

/** Serves a dialect on a node. All are optional. */
export interface DialectParts<Addresses extends object = object> {
  /** Finds WebSocket paths. The first dialect of the registry that knows a path has it. */
  readonly webSockets?: RouteFinder;
  /** Takes clients on the HTTP port that are more than WebSockets. */
  readonly clients?: ClientListener;
  /** Handlers of the HTTP port by exact path. */
  readonly routes?: ReadonlyMap<string, Handler>;
  readonly ports?: DialectPorts<Addresses>;
}

/** A dialect's own ports. */
export interface DialectPorts<Addresses extends object = object> {
  /**
   * @returns where they listen, by the names that `ready` in the log and {@link Addresses} have
   * @throws CarillonError failed_precondition: an address cannot be had
   */
  listen(): Promise<Addresses>;
  /** Accepts nothing more. Resolves when the requests under way are answered. */
  close(): Promise<void>;
  /** Cuts the connections. */
  terminate(): void;
}

/** A listener below its own path of the HTTP port, which has checked origins. It answers CORS itself. */
export interface ClientListener {
  takes(path: string): boolean;
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Clients that count for the node's limit. */
  readonly connections: number;
  /** Stops accepting connections. */
  close(): void;
  /** Resolves when all clients have gone. */
  drained(): Promise<void>;
  /** Cuts the connections. */
  terminate(): void;
}

/** Services of a node for its dialects. */
export interface DialectContext {
  readonly config: Config;
  readonly clock: Clock;
  readonly vhosts: Vhosts;
  readonly administration: VhostAdmin;
  readonly publisher: Publisher;
  readonly control: Control;
  readonly dispatch: Dispatch;
  readonly keyring: Keyring;
  readonly gate: Gatekeeper;
  readonly answers: AnswerBudget;
  readonly budget: ByteBudget;
  readonly openLease: OpenRequestLease;
  /** For ports that callers of this machine use. */
  readonly bounds: LocalListenerLimits;
  readonly originAllowed: (origin: string | undefined, host: string | undefined) => boolean;
  /** How a port at an address is reached: TLS, proxies. */
  readonly portOf: (address: Address) => PortOptions;
  /** Times of requests on HTTP ports, in milliseconds. */
  readonly times: { readonly answer: number; readonly keepAlive: number; readonly request: number };
  /** Told how long a publish took until the broker had it, in seconds. */
  readonly onPublished: (seconds: number) => void;
  /** Told of errors that are faults of this server and not refusals. */
  readonly onFault: (cause: unknown) => void;
  readonly clients: ClientContext;
}

/** Options that all listeners for clients share. */
export interface ClientContext {
  readonly services: CommandContext;
  readonly fanOut: FanOut;
  readonly outbox: OutboxContext;
  readonly clock: Clock;
  readonly sessionIds: MessageIds;
  readonly clientAddress: ClientAddress;
  readonly admission: AdmissionControl;
  readonly openLease: OpenRequestLease;
  /** Whether a vhost exists at present. */
  readonly exists: (vhost: string) => boolean;
  /** Clients on all listeners, which `limits.connections` bounds. */
  readonly inside: () => number;
  /** Told the close code. */
  readonly onClosed: (code: number) => void;
  readonly onUpgradeRefused: (code: ErrorCode) => void;
  readonly onFault: (cause: unknown) => void;
}
