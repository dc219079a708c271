import type { ConfigInput } from "../../src/index.js";
import { Child } from "./child.js";
import { Contender, type ServerProfiler } from "./contender.js";
import { PublishStream } from "./publish-stream.js";

/** Carillon node in a separate process. */
export interface Node {
  readonly child: Child;
  readonly port: number;
  /** Address of the gRPC port, HOST:PORT. */
  readonly grpc: string;
  /** URL of WebRocket's admin interface, if configured. */
  readonly webrocketAdmin?: string;
}

export interface NodeOptions {
  readonly config?: ConfigInput;
  /** Key of the publisher, if the node requires one. */
  readonly key?: string;
  /** Token of each client, by its number; undefined for clients without tokens. */
  readonly tokens?: readonly string[];
  /** Folder for a CPU profile. */
  readonly profiles?: string | undefined;
  readonly flags?: readonly string[];
  /** Script in bench/servers/, without its extension; default: an ordinary node. */
  readonly script?: string;
  /** Path of each client, or of all; default: the native dialect. */
  readonly path?: string | readonly string[];
}

export async function startNode({ config = {}, flags = [], script = "carillon" }: NodeOptions = {}): Promise<Node> {
  const child = new Child(`servers/${script}.js`, flags);
  const addresses = await child.ask<Omit<Node, "child">>("start", config);
  return { child, ...addresses };
}

/** Starts Carillon as a contender: WebSocket clients, and a publisher on a gRPC stream with one request per turn. */
export async function carillon(options: NodeOptions & { readonly name?: string } = {}): Promise<Contender> {
  return nodeContender(options.name ?? "carillon", await startNode(options), options);
}

/** @param publishAt - gRPC address of the node to publish at, if it is a different one */
export function nodeContender(
  name: string,
  { child, grpc, port }: Node,
  {
    end,
    key,
    profiles,
    publishAt = grpc,
    tokens,
    path = tokens === undefined ? "/ws" : tokens.map((token) => `/ws?token=${token}`),
  }: NodeOptions & { readonly publishAt?: string; readonly end?: () => void },
): Contender {
  const stream = new PublishStream(publishAt, key);
  return new Contender({
    name,
    server: child,
    port,
    path,
    profiler: profilerOf(child, profiles),
    publish: (entries) => stream.publish(entries),
    end: () => {
      stream.close();
      end?.();
    },
  });
}

/** @param profiles - folder for the profile; undefined for none */
export function profilerOf(child: Child, profiles: string | undefined): ServerProfiler | undefined {
  if (profiles === undefined) return undefined;
  return { begin: () => child.ask("beginProfile"), end: () => child.ask("endProfile", profiles) };
}
