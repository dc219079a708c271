/** Requests between the primary process and its node processes, with their bodies and answers. */

/** Facts that a node process asks for when it starts. */
export interface ProcessStart {
  /** Number of the process, from 1 on. A process that replaces another one has the same number. */
  readonly number: number;
  readonly count: number;
  /** Folder for the sockets between the processes. */
  readonly folder: string;
  /** Addresses of the ports, HOST:PORT. Never port 0, so that a process finds the port again after all have ended. */
  readonly http: string;
  readonly grpc: string;
  /** URL of the NATS server that the primary process runs. */
  readonly broker: string | undefined;
}

/** State of a node process, sent when it changes. */
export interface ProcessState {
  /** Reasons why it is not ready; empty when it is. */
  readonly reasons: readonly string[];
  /** Undefined until it listens. */
  readonly addresses: { readonly http: string } | undefined;
  /** Whether backends need a key. */
  readonly requiresKeys: boolean;
}

/** Names of requests. */
export const FROM_NODE = {
  start: "start",
  state: "state",
  readiness: "readiness",
  metrics: "metrics",
  reload: "reload",
} as const;

export const FROM_PRIMARY = { collect: "collect", live: "live", reload: "reload", stop: "stop" } as const;
