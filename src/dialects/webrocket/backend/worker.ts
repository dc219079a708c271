import type { Socket } from "node:net";
import type { Clock } from "../../../core/ports.js";
import { toSessionUuid } from "../../../core/session-uuid.js";
import { membersText } from "../../../util/raw-json.js";
import type { Dispatch, GivenTask, WorkerConnection, WorkerRegistration } from "../../../workers/dispatch.js";
import { payloadValue } from "../../json.js";
import { packetText } from "./packet.js";

/** Between two heartbeats, and without one of which a worker is dead, in milliseconds. Source: WebRocket's protocol. */
const HEARTBEAT = 500;
const SILENCE = 1_500;

/** Triggers that a worker may have at a time: it has each for one to two heartbeats at least. */
const CAPACITY = 2_000;

const NOTHING = new Uint8Array();

const UNTAKEN = Number.POSITIVE_INFINITY;

export interface WebrocketWorkerOptions {
  readonly vhost: string;
  /** What it calls itself. */
  readonly name: string;
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  readonly socket: Socket;
  /** It is no worker any more, and what it had goes to others. */
  readonly onOver: (why: "silent" | "drained") => void;
}

/**
 * A worker that was ready. It cannot say that it has done something: a heartbeat of its counts for what its connection had
 * taken an interval before. One that comes earlier may have been sent before the task was there. What it is not told because
 * it does not read is bounded by what it may have at a time.
 */
export class WebrocketWorker implements WorkerConnection {
  readonly #options: WebrocketWorkerOptions;
  #registration: WorkerRegistration | undefined;
  /** What it has, by id, and when its connection has taken it: what has not been is of no time. */
  readonly #tasks = new Map<string, number>();
  /** Of these, what has not been told yet. */
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

  /** It has said that it is alive: it has done what its connection had taken an interval before. */
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

  /** It gets no more; when it is done with what it has, it is over. */
  drain(): void {
    this.#draining = true;
    this.#registration?.drain();
    this.#endIfDrained();
  }

  /** What it has goes to others. */
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

  /** As much as the connection takes now. */
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
 * A task as a worker is told of it, on one line: `{"event":{…data,"sid":…}}`. A payload that is no JSON object is the member
 * `data`, as in what clients are sent; `sid` is left out where a backend asks.
 */
export function taskText({
  connectionId,
  event,
  payload,
}: Pick<GivenTask, "connectionId" | "event" | "payload">): string {
  const { base64, text } = payloadValue(payload);
  const sid = connectionId === "" ? [] : [`"sid":${JSON.stringify(toSessionUuid(connectionId))}`];
  const data = text.trimStart().startsWith("{")
    ? membersText(text, connectionId === "" ? [] : ["sid"])
    : `"data":${text}${base64 ? ',"encoding":"base64"' : ""}`;
  // In JSON text a line end can stand between values only, where it is worth no more than a space.
  const members = [data.replace(/[\r\n]+/g, " "), ...sid].filter((part) => part !== "");
  return `{${JSON.stringify(event)}:{${members.join(",")}}}`;
}
