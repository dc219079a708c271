import type { Config } from "../../config/schema.js";
import type { Metrics } from "../../observe/metrics.js";
import { createEdges, type Edges } from "./create-edges.js";
import { createFoundations, type Foundations } from "./create-foundations.js";
import { createMetrics } from "./create-metrics.js";
import { createServices, type Services } from "./create-services.js";
import { createTopicRuntime, type TopicRuntime } from "./create-topic-runtime.js";
import type { NodeContext } from "./node-context.js";

/** The parts of a node, which have not started yet. */
export interface NodeParts extends Foundations, TopicRuntime, Services, Edges {
  readonly metrics: Metrics;
}

/**
 * Creates the parts of a node and connects them, from the foundations to the edges. Where a part calls one that is created
 * later, it gets a function.
 * @param config - of the running node, whose live settings may change
 * @throws CarillonError invalid_argument, failed_precondition: settings that cannot be used
 */
export function createNode(config: Config, context: NodeContext): NodeParts {
  const foundations = createFoundations(config, context);
  const topicRuntime = createTopicRuntime(config, {
    ...context,
    ...foundations,
    commands: () => services.commands,
    onWritten: (message) => {
      metrics.observeDelivery(message);
    },
  });
  const services: Services = createServices(config, {
    ...context,
    ...foundations,
    ...topicRuntime,
    connections: () => edges.listeners.connections(),
  });
  const inner = { ...context, ...foundations, ...topicRuntime, ...services };
  const metrics: Metrics = createMetrics(config, { ...inner, listeners: () => edges.listeners });
  const edges: Edges = createEdges(config, { ...inner, metrics });
  return { ...foundations, ...topicRuntime, ...services, ...edges, metrics };
}
