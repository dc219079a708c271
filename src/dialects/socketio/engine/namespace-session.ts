import type { AdmissionRequest, AdmittedClient } from "../../../clients/admission.js";
import type { EngineConnection } from "./engine-connection.js";

/** Client in one namespace of its connection, from its connect request until it leaves. */
export class NamespaceSession {
  readonly connection: EngineConnection;
  #admissionRequest: AdmissionRequest;
  #onEnded: (() => void) | undefined;
  #admitted: AdmittedClient | undefined;
  #state: "pending" | "connected" | "ended" = "pending";

  constructor(connection: EngineConnection, admissionRequest: AdmissionRequest) {
    this.connection = connection;
    this.#admissionRequest = admissionRequest;
    connection.add(admissionRequest.vhost, this);
  }

  get admissionRequest(): AdmissionRequest {
    return this.#admissionRequest;
  }

  /** Admission of a client that is not connected yet; undefined before it is admitted, and when the session has ended. */
  get admitted(): AdmittedClient | undefined {
    return this.#state === "pending" ? this.#admitted : undefined;
  }

  /** Replaces the id of the future session. */
  changeConnectionId(connectionId: string): void {
    this.#admissionRequest = { ...this.#admissionRequest, connectionId };
  }

  /** Calls a function when the session ends, instead of the function of an earlier call; undefined for none. */
  whenEnded(run: (() => void) | undefined): void {
    this.#onEnded = run;
  }

  get connected(): boolean {
    return this.#state === "connected";
  }

  /** Stores the admission, or releases it if the connection has ended. The library then connects the client. */
  admit(admitted: AdmittedClient): void {
    if (this.#state === "pending") this.#admitted = admitted;
    else admitted.release();
  }

  /**
   * Connects the client.
   * @returns its admission, which the caller must release from now on; undefined if the session has ended
   */
  take(): AdmittedClient | undefined {
    if (this.#state !== "pending" || this.#admitted === undefined) return undefined;
    this.#state = "connected";
    return this.#admitted;
  }

  /** Ends the session when the client was refused or has left. */
  leave(): void {
    this.connection.remove(this.#admissionRequest.vhost, this);
    this.end();
  }

  /** Releases an admission that {@link take} has not handed over. Called when the connection ends. */
  end(): void {
    if (this.#state === "pending") this.#admitted?.release();
    this.#state = "ended";
    const run = this.#onEnded;
    this.#onEnded = undefined;
    run?.();
  }
}
