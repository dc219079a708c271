import type { DescService } from "@bufbuild/protobuf";
import {
  Health,
  type HealthCheckRequest,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../../gen/grpc/health/v1/health_pb.js";
import type { ServerReflectionRequest } from "../../../gen/grpc/reflection/v1/reflection_pb.js";
import { CarillonError } from "../../errors.js";
import {
  REFLECTION_SERVICES,
  type ReflectionAnswer,
  ReflectionAnswers,
  reflectionCodec,
} from "../grpc/reflection/reflection-answers.js";
import type { ImplementationOf, RpcCall } from "../service.js";
import type { LibraryService } from "./served-method.js";

/** Implements grpc.health.v1.Health for the whole server ("") and each of its services. Everyone may call it. */
export class HealthService implements ImplementationOf<typeof Health>, LibraryService {
  readonly service = Health;
  readonly implementation = this;
  readonly isPublic = true;
  readonly #statuses: Map<string, ServingStatus>;
  /** Wake the streams that watch. */
  readonly #watchers = new Set<() => void>();

  /** @param services - their full names */
  constructor(services: readonly string[]) {
    this.#statuses = new Map(["", ...services].map((name) => [name, ServingStatus.NOT_SERVING]));
  }

  /** Sets the status of every service. */
  setServing(serving: boolean): void {
    for (const name of this.#statuses.keys()) {
      this.#statuses.set(name, serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
    }
    for (const wake of this.#watchers) wake();
  }

  async check({ service }: HealthCheckRequest) {
    const status = this.#statuses.get(service);
    if (status === undefined) throw new CarillonError("not_found", `Health status unknown for service ${service}`);
    return { status };
  }

  async list() {
    return { statuses: Object.fromEntries([...this.#statuses].map(([name, status]) => [name, { status }])) };
  }

  async *watch({ service }: HealthCheckRequest, { signal }: RpcCall) {
    let changed: (() => void) | undefined;
    const wake = (): void => changed?.();
    this.#watchers.add(wake);
    signal.addEventListener("abort", wake);
    try {
      for (let sent: ServingStatus | undefined; ; ) {
        const status = this.#statuses.get(service) ?? ServingStatus.SERVICE_UNKNOWN;
        if (status === sent) {
          signal.throwIfAborted();
          await new Promise<void>((resolve) => {
            changed = resolve;
          });
        } else {
          sent = status;
          yield { status };
        }
      }
    } finally {
      this.#watchers.delete(wake);
      signal.removeEventListener("abort", wake);
    }
  }
}

/** Creates server reflection in both versions, see {@link ReflectionAnswers}. Any known backend may call it. */
export function createReflection(services: readonly DescService[]): LibraryService[] {
  const answers = new ReflectionAnswers(services);
  const implementation = {
    async *serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>): AsyncGenerator<ReflectionAnswer> {
      for await (const request of requests) yield answers.answer(request);
    },
  };
  return REFLECTION_SERVICES.map((service) => ({ service, implementation, codec: reflectionCodec, isPublic: false }));
}
