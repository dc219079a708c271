import type { RecordableHistogram } from "node:perf_hooks";
import type { ErrorCode } from "../../errors.js";

/** Clients of one thread. */
export interface ReceiverPlan {
  /** WebSocket URLs, which the clients use in turn. */
  readonly urls: readonly string[];
  /** Local addresses, which the clients use in turn; empty: the system's choice. */
  readonly from: readonly string[];
  readonly token: string | undefined;
  readonly ca: Uint8Array | undefined;
  readonly broker: string | undefined;
  /** Topics, which the clients join in turn. */
  readonly topics: readonly string[];
  /** Numbers of the clients: `first`, `first + step`, … below `clients`. */
  readonly first: number;
  readonly step: number;
  readonly clients: number;
  /** Clients that the thread connects per second; infinity: no limit. */
  readonly connectRate: number;
  readonly publishers: number;
}

/** Counts of a thread since its start. */
export interface ReceiverCounts {
  readonly connected: number;
  /** Refused or failed attempts to connect that were repeated. */
  readonly retried: number;
  /** Received messages without duplicates. */
  readonly received: number;
  readonly duplicated: number;
  readonly misordered: number;
  /** Connections that ended early, by code and reason. */
  readonly closed: Readonly<Record<string, number>>;
  /** Share of the time in which the thread was busy, 0 to 1, since the last counts. */
  readonly busy: number;
}

/** Message of a thread to the command. */
export type ReceiverReport =
  /** The first one. The histogram is shared: times from due to received, in microseconds. */
  | { readonly kind: "started"; readonly latency: RecordableHistogram }
  | { readonly kind: "counts"; readonly counts: ReceiverCounts }
  /** All clients have joined. */
  | { readonly kind: "connected" }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string; readonly system: unknown }
  /** All connections are closed. The last one. */
  | { readonly kind: "closed" };

/** Message of the command to a thread: close all clients. */
export type ReceiverOrder = "close";
