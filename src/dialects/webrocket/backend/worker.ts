import type { Socket } from "node:net";
import type { Clock } from "../../../core/ports.js";
import { toSessionUuid } from "../../../core/session-uuid.js";
import { removeMembers } from "../../../util/raw-json.js";
import type { Dispatch, GivenTask, WorkerConnection, WorkerRegistration } from "../../../workers/dispatch.js";
import { payloadValue } from "../../json.js";
import { packetText } from "./packet.js";

/** Interval of a worker's heartbeats, and the time without one after which it is dead, in milliseconds. Source: WebRocket's protocol. */
const HEARTBEAT = 500;
const SILENCE = 1_500;

/** Triggers that a worker may have at a time: it has each for one to two heartbeats at least. */
const CAPACITY = 2_000;

const NOTHING = new Uint8Array();

const UNTAKEN = Number.POSITIVE_INFINITY;

export interface WebrocketWorkerOptions {
  readonly vhost: string;
  /** Name that the worker has chosen. */
  readonly name: string;
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  readonly socket: Socket;
  /** Told when it stops being a worker; its tasks go to others. */
  readonly onOver: (why: "silent" | "drained") => void;
}

/**
 * A worker that was ready. It does not confirm tasks: a heartbeat counts for the tasks that its connection had taken an interval
 * before, as an earlier one may have been sent before a task arrived. The tasks that it does not read are bounded by its capacity.
 */
export class WebrocketWorker implements WorkerConnection {
  readonly #options: WebrocketWorkerOptions;
  #registration: WorkerRegistration | undefined;
  /** Its tasks by id, with the time at which the connection has taken them; infinite for those that wait. */
  readonly #tasks = new Map<string, number>();
  /** Tasks that were not sent yet. */
  readonly #untold = new Map<string, GivenTask>();
  #over = false;
  #draining = false;
  #cancelBeat: () => void;
  #cancelSilence: () => void;

  constructor(options: WebrocketWorkerOptions) {
    this.#options = options;
    const { clock, socket } = options;
    this.#cancelBeat = clock.after(HEARTBEAT, this.#beat);
    this.#cancelSilence = clock.after(SILENCE, this.#onSilence);
    socket.on("drain", this.#tell);
  }

  /** Resolves when triggers of any node reach it. @throws CarillonError as Dispatch does */
  async enter(): Promise<void> {
    const { dispatch, name, vhost } = this.#options;
    const hello = { vhost, events: ["*"], capacity: CAPACITY, name, answers: false };
    const registration = await dispatch.enter(hello, this);
    if (this.#over) {
      registration.leave();
      return;
    }
    this.#registration = registration;
    if (this.#draining) registration.drain();
  }

  /** Takes a heartbeat, which means that it has done the tasks of the interval before. */
  beat(): void {
    if (this.#over) return;
    const { clock } = this.#options;
    this.#cancelSilence();
    this.#cancelSilence = clock.after(SILENCE, this.#onSilence);
    const before = clock.monotonic() - HEARTBEAT;
    for (const [id, taken] of this.#tasks) {
      if (taken > before) continue;
      this.#tasks.delete(id);
      this.#registration?.answer(id, NOTHING, false);
    }
    this.#endIfDrained();
  }

  give(task: GivenTask): void {
    this.#tasks.set(task.id, UNTAKEN);
    this.#untold.set(task.id, task);
    this.#tell();
  }

  cancel(id: string): void {
    this.#untold.delete(id);
    this.#tasks.delete(id);
    this.#endIfDrained();
  }

  /** Assigns no further tasks; stops being a worker when its own are done. */
  drain(): void {
    this.#draining = true;
    this.#registration?.drain();
    this.#endIfDrained();
  }

  /** Stops being a worker at once; its tasks go to others. */
  leave(): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelBeat();
    this.#cancelSilence();
    this.#options.socket.off("drain", this.#tell);
    this.#untold.clear();
    this.#tasks.clear();
    this.#registration?.leave();
  }

  /** Sends as many tasks as the connection takes now. */
  readonly #tell = (): void => {
    const { socket } = this.#options;
    for (const [id, task] of this.#untold) {
      if (socket.writableNeedDrain || !socket.writable) return;
      this.#untold.delete(id);
      socket.write(packetText("TR", taskText(task)), (fault) => {
        if (!fault) this.#told(id);
      });
    }
  };

  #told(id: string): void {
    if (!this.#tasks.has(id)) return;
    this.#tasks.set(id, this.#options.clock.monotonic());
    this.#registration?.acknowledge(id);
  }

  readonly #beat = (): void => {
    const { clock, socket } = this.#options;
    this.#cancelBeat = clock.after(HEARTBEAT, this.#beat);
    if (socket.writable && !socket.writableNeedDrain) socket.write(packetText("HB"));
  };

  readonly #onSilence = (): void => {
    this.leave();
    this.#options.onOver("silent");
  };

  #endIfDrained(): void {
    if (!this.#draining || this.#over || this.#tasks.size > 0) return;
    this.leave();
    this.#options.onOver("drained");
  }
}

/**
 * A task on one line: `{"event":{…data,"sid":…}}`. A payload other than a JSON object is the member `data`, as in messages to clients.
 * `sid` is left out where a backend is the caller.
 */
export function taskText({
  connectionId,
  event,
  payload,
}: Pick<GivenTask, "connectionId" | "event" | "payload">): string {
  const { base64, text } = payloadValue(payload);
  const sid = connectionId === "" ? [] : [`"sid":${JSON.stringify(toSessionUuid(connectionId))}`];
  const data = text.trimStart().startsWith("{")
    ? removeMembers(text, connectionId === "" ? [] : ["sid"])
    : `"data":${text}${base64 ? ',"encoding":"base64"' : ""}`;
  // In JSON text a line end can stand between values only, where it is worth no more than a space.
  const members = [data.replace(/[\r\n]+/g, " "), ...sid].filter((part) => part !== "");
  return `{${JSON.stringify(event)}:{${members.join(",")}}}`;
}
