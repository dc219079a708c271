import type { DescService } from "@bufbuild/protobuf";

/**
 * The services that both mounts serve. An implementation has a method for each of the service's, by its local name:
 * unary ones take a request and give the answer or a promise of it, streaming ones take and give async iterables. What
 * they throw is a CarillonError, or a fault.
 */
export type ServiceImplementations = readonly { readonly service: DescService; readonly implementation: object }[];
