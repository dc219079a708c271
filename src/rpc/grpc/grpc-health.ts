import type { Server } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";

/** grpc.health.v1.Health for the whole server ("") and each of its services. */
export class GrpcHealth {
  readonly #health: HealthImplementation;
  readonly #names: readonly string[];

  constructor(server: Pick<Server, "addService">, services: readonly string[]) {
    this.#names = ["", ...services];
    this.#health = new HealthImplementation(Object.fromEntries(this.#names.map((name) => [name, "NOT_SERVING"])));
    this.#health.addToServer(server);
  }

  setServing(serving: boolean): void {
    for (const name of this.#names) this.#health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
  }
}
