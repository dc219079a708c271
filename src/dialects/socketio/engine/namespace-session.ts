import type { AdmissionRequest, AdmittedClient } from "../../../clients/admission.js";
import type { EngineConnection } from "./engine-connection.js";

/** A client in one namespace of its connection, from its request until it has left. */
export class NamespaceSession {
  readonly line: EngineConnection;
  readonly arrival: AdmissionRequest;
  #admitted: AdmittedClient | undefined;
  #state: "at the door" | "inside" | "gone" = "at the door";

  constructor(line: EngineConnection, arrival: AdmissionRequest) {
    this.line = line;
    this.arrival = arrival;
    line.enter(arrival.vhost, this);
  }

  get inside(): boolean {
    return this.#state === "inside";
  }

  /** Takes the admission. The library then connects the client, unless its connection has ended. */
  admit(admitted: AdmittedClient): void {
    if (this.#state === "at the door") this.#admitted = admitted;
    else admitted.release();
  }

  /**
   * Connects the client.
   * @returns its admission, which the caller now has to release; undefined where it has ended
   */
  take(): AdmittedClient | undefined {
    if (this.#state !== "at the door" || this.#admitted === undefined) return undefined;
    this.#state = "inside";
    return this.#admitted;
  }

  /** Ends it: the client was refused or has left. */
  leave(): void {
    this.line.leave(this.arrival.vhost, this);
    this.lineClosed();
  }

  lineClosed(): void {
    if (this.#state === "at the door") this.#admitted?.release();
    this.#state = "gone";
  }
}
