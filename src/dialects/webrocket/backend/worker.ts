import type { Socket } from "node:net";
import type { Clock } from "../../../core/ports.js";
import { toSessionUuid } from "../../../core/session-uuid.js";
import { removeMembers } from "../../../util/raw-json.js";
import type { Dispatch, TaskAssignment, WorkerConnection, WorkerRegistration } from "../../../workers/dispatch.js";
import { payloadValue } from "../../json.js";
import { packetText } from "./packet.js";

/**
 * Interval of heartbeats, and time without one after which a worker counts as dead, in milliseconds. Source: WebRocket's
 * protocol.
 */
const HEARTBEAT = 500;
const HEARTBEAT_TIMEOUT = 1_500;

/** Maximum number of tasks of a worker at a time. Each remains assigned for at least one to two heartbeats. */
const CAPACITY = 2_000;

const NOTHING = new Uint8Array();

const UNWRITTEN = Number.POSITIVE_INFINITY;

export interface WebrocketWorkerOptions {
  readonly vhost: string;
  /** Name that the worker has chosen. */
  readonly name: string;
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  readonly socket: Socket;
  /** Called when the worker has ended. Its tasks are assigned to other workers. */
  readonly onOver: (why: "silent" | "drained") => void;
}

/**
 * WebRocket worker that has sent `RD`. It does not confirm tasks. A heartbeat therefore completes the tasks that were written
 * to its connection at least one interval earlier. Later tasks may have arrived after the heartbeat was sent. The capacity
 * bounds the tasks that wait for a worker that does not read.
 */
export class WebrocketWorker implements WorkerConnection {
  readonly #options: WebrocketWorkerOptions;
  #registration: WorkerRegistration | undefined;
  /** Assigned tasks by id, with the time at which they were written to the connection; infinite for unwritten ones. */
  readonly #tasks = new Map<string, number>();
  /** Tasks that have not been sent yet. */
  readonly #unsent = new Map<string, TaskAssignment>();
  #over = false;
  #draining = false;
  #cancelBeat: () => void;
  #cancelTimeout: () => void;

  constructor(options: WebrocketWorkerOptions) {
    this.#options = options;
    const { clock, socket } = options;
    this.#cancelBeat = clock.after(HEARTBEAT, this.#beat);
    this.#cancelTimeout = clock.after(HEARTBEAT_TIMEOUT, this.#onTimeout);
    socket.on("drain", this.#sendUnsent);
  }

  /** Registers the worker. Resolves when triggers from all nodes reach it. @throws CarillonError as Dispatch does */
  async register(): Promise<void> {
    const { dispatch, name, vhost } = this.#options;
    const hello = { vhost, events: ["*"], capacity: CAPACITY, name, answers: false };
    const registration = await dispatch.registerWorker(hello, this);
    if (this.#over) {
      registration.unregister();
      return;
    }
    this.#registration = registration;
    if (this.#draining) registration.drain();
  }

  /** Handles a heartbeat, which completes the tasks that were written at least one interval earlier. */
  beat(): void {
    if (this.#over) return;
    const { clock } = this.#options;
    this.#cancelTimeout();
    this.#cancelTimeout = clock.after(HEARTBEAT_TIMEOUT, this.#onTimeout);
    const before = clock.monotonic() - HEARTBEAT;
    for (const [id, taken] of this.#tasks) {
      if (taken > before) continue;
      this.#tasks.delete(id);
      this.#registration?.answer(id, NOTHING, false);
    }
    this.#endIfDrained();
  }

  assign(task: TaskAssignment): void {
    this.#tasks.set(task.id, UNWRITTEN);
    this.#unsent.set(task.id, task);
    this.#sendUnsent();
  }

  cancel(id: string): void {
    this.#unsent.delete(id);
    this.#tasks.delete(id);
    this.#endIfDrained();
  }

  /** Stops assigning tasks. Ends the worker when its current tasks are done. */
  drain(): void {
    this.#draining = true;
    this.#registration?.drain();
    this.#endIfDrained();
  }

  /** Ends the worker at once. Its tasks are assigned to other workers. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelBeat();
    this.#cancelTimeout();
    this.#options.socket.off("drain", this.#sendUnsent);
    this.#unsent.clear();
    this.#tasks.clear();
    this.#registration?.unregister();
  }

  /** Sends as many tasks as the connection accepts now. */
  readonly #sendUnsent = (): void => {
    const { socket } = this.#options;
    for (const [id, task] of this.#unsent) {
      if (socket.writableNeedDrain || !socket.writable) return;
      this.#unsent.delete(id);
      socket.write(packetText("TR", taskText(task)), (error) => {
        if (!error) this.#onWritten(id);
      });
    }
  };

  #onWritten(id: string): void {
    if (!this.#tasks.has(id)) return;
    this.#tasks.set(id, this.#options.clock.monotonic());
    this.#registration?.acknowledge(id);
  }

  readonly #beat = (): void => {
    const { clock, socket } = this.#options;
    this.#cancelBeat = clock.after(HEARTBEAT, this.#beat);
    if (socket.writable && !socket.writableNeedDrain) socket.write(packetText("HB"));
  };

  readonly #onTimeout = (): void => {
    this.end();
    this.#options.onOver("silent");
  };

  #endIfDrained(): void {
    if (!this.#draining || this.#over || this.#tasks.size > 0) return;
    this.end();
    this.#options.onOver("drained");
  }
}

/**
 * Encodes a task on one line: `{"event":{…data,"sid":…}}`. A payload other than a JSON object becomes the member `data`, as
 * in messages to clients. `sid` is omitted if the caller is a backend.
 */
export function taskText({
  connectionId,
  event,
  payload,
}: Pick<TaskAssignment, "connectionId" | "event" | "payload">): string {
  const { base64, text } = payloadValue(payload);
  const sid = connectionId === "" ? [] : [`"sid":${JSON.stringify(toSessionUuid(connectionId))}`];
  const data = text.trimStart().startsWith("{")
    ? removeMembers(text, connectionId === "" ? [] : ["sid"])
    : `"data":${text}${base64 ? ',"encoding":"base64"' : ""}`;
  // In JSON text a line end can only occur between tokens, where a space is equivalent.
  const members = [data.replace(/[\r\n]+/g, " "), ...sid].filter((part) => part !== "");
  return `{${JSON.stringify(event)}:{${members.join(",")}}}`;
}
