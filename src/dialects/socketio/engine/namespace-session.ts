import type { AdmittedClient, Arrival } from "../../../clients/admission.js";
import type { EngineConnection } from "./engine-connection.js";

/** A client's place in a namespace of its connection: from the moment that it asks for it until it has gone. */
export class NamespaceSession {
  readonly line: EngineConnection;
  readonly arrival: Arrival;
  #admitted: AdmittedClient | undefined;
  #state: "at the door" | "inside" | "gone" = "at the door";

  constructor(line: EngineConnection, arrival: Arrival) {
    this.line = line;
    this.arrival = arrival;
    line.enter(arrival.vhost, this);
  }

  get inside(): boolean {
    return this.#state === "inside";
  }

  /** It may come in: the library brings it, or does not where the connection has ended meanwhile. */
  admit(admitted: AdmittedClient): void {
    if (this.#state === "at the door") this.#admitted = admitted;
    else admitted.release();
  }

  /**
   * It comes in.
   * @returns what it was admitted with, to be released by the caller from now on; undefined where it may not come in any more
   */
  take(): AdmittedClient | undefined {
    if (this.#state !== "at the door" || this.#admitted === undefined) return undefined;
    this.#state = "inside";
    return this.#admitted;
  }

  /** It does not come in, or has gone. */
  leave(): void {
    this.line.leave(this.arrival.vhost, this);
    this.lineClosed();
  }

  lineClosed(): void {
    if (this.#state === "at the door") this.#admitted?.release();
    this.#state = "gone";
  }
}
