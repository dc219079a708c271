import type { ConfigInput } from "../../src/index.js";
import { Child } from "./child.js";
import { Contender } from "./contender.js";
import { PublishStream } from "./publish-stream.js";

/** A Carillon node in a process of its own. */
export interface Node {
  readonly child: Child;
  readonly port: number;
  /** HOST:PORT of the gRPC port. */
  readonly grpc: string;
  /** URL of WebRocket's admin interface, where the configuration has one. */
  readonly webrocketAdmin?: string;
}

export interface NodeOptions {
  readonly config?: ConfigInput;
  /** What the publisher shows, where the node asks for a key. */
  readonly key?: string;
  /** A token for each client by its number, where clients come with one. */
  readonly tokens?: readonly string[];
  /** A folder for a CPU profile. */
  readonly profiles?: string | undefined;
  readonly flags?: readonly string[];
  /** In bench/servers/, without its ending; default: a node as it is run. */
  readonly script?: string;
  /** Where each client connects, or all; default: to the native dialect. */
  readonly path?: string | readonly string[];
}

export async function startNode({ config = {}, flags = [], script = "carillon" }: NodeOptions = {}): Promise<Node> {
  const child = new Child(`servers/${script}.js`, flags);
  const addresses = await child.ask<Omit<Node, "child">>("start", config);
  return { child, ...addresses };
}

/** Carillon as a contender: clients by WebSocket, the publisher by a gRPC stream, one request a turn. */
export async function carillon(options: NodeOptions & { readonly name?: string } = {}): Promise<Contender> {
  return nodeContender(options.name ?? "carillon", await startNode(options), options);
}

/**
 * @param publishAt - the gRPC address of the node to publish at, where it is another one
 */
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
    profiles,
    publish: (entries) => stream.publish(entries),
    end: () => {
      stream.close();
      end?.();
    },
  });
}
