import { types } from "node:util";
import type { Clock, EndOfTurn } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { WorkerConnection, WorkerDescription, WorkerHello, WorkerRegistration } from "../dispatch.js";
import { type Amount, Budget, MAX_PAYLOAD_BYTES } from "../limits.js";
import { Ticker, toTicks } from "../ticker.js";
import type { Check, Offer, Why } from "../wire/task-messages.js";
import type { TaskTransport } from "../wire/task-transport.js";
import { AssignedTask, taskId } from "./assigned-task.js";
import { checkHello } from "./hello.js";
import { TaskUpdates } from "./telling.js";
import type { WorkerGroup } from "./worker-group.js";
import type { WorkerGroups } from "./worker-groups.js";
import { type TaskNeeds, WorkerHandle } from "./worker-handle.js";

/** The asking node ends its tasks itself. A task that is still here so long after its deadline was forgotten by it. */
const GRACE = 1_000;

export interface TaskExecutorOptions {
  readonly node: string;
  readonly post: TaskTransport;
  readonly groups: WorkerGroups;
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
  /** For each vhost. */
  readonly waiting: Amount;
  /** In which a worker must have acknowledged or ended a task, in milliseconds. */
  readonly acknowledgeWithin: number;
  readonly onError: (message: string) => void;
}

/** The workers of this node, and the tasks that they have or that wait for them. */
export class TaskExecutor {
  readonly #options: TaskExecutorOptions;
  readonly #seats = new Map<string, WorkerHandle>();
  readonly #tasks = new Map<string, AssignedTask>();
  readonly #waiting: Budget;
  readonly #telling: TaskUpdates;
  readonly #ticker: Ticker;
  readonly #patience: number;
  #entered = 0;
  #stopped = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: TaskExecutorOptions) {
    this.#options = options;
    this.#waiting = new Budget(options.waiting);
    this.#patience = toTicks(options.acknowledgeWithin);
    this.#telling = new TaskUpdates(options.post, options.clock, (task) => this.#tasks.get(task.id) === task);
    this.#ticker = new Ticker(options.clock, () => this.#look());
  }

  get workers(): number {
    return this.#seats.size;
  }

  /** Those of a vhost, in the order in which they came; no more than so many. */
  list(vhost: string, most: number): WorkerDescription[] {
    const { node } = this.#options;
    const found: WorkerDescription[] = [];
    for (const { answers, hello, id, tasks } of this.#seats.values()) {
      if (hello.vhost !== vhost) continue;
      if (found.length === most) break;
      const { capacity, events, name } = hello;
      found.push({ id, node, name, events, capacity, answers, tasks: tasks.size });
    }
    return found;
  }

  /** Tasks of all nodes that wait here. */
  get waiting(): number {
    return this.#waiting.count;
  }

  /** Tasks of all nodes that this node's workers have. */
  get working(): number {
    return this.#tasks.size - this.#waiting.count;
  }

  /** @throws CarillonError invalid_argument, resource_exhausted, unavailable */
  async enter(hello: WorkerHello, connection: WorkerConnection): Promise<WorkerRegistration> {
    const checked = checkHello(hello);
    this.#refuseStopped();
    this.#entered += 1;
    const seat = new WorkerHandle(`${this.#options.node}-w${this.#entered.toString(36)}`, checked, connection);
    this.#seats.set(seat.id, seat);
    try {
      await this.#options.groups.add(seat);
      this.#refuseStopped();
    } catch (error) {
      this.#leave(seat);
      throw error;
    }
    // Who waits for this promise goes on before anything is given.
    this.#options.endOfTurn(() => {
      seat.welcome = true;
      this.#feed(seat);
    });
    return {
      workerId: seat.id,
      acknowledge: (id) => {
        this.#acknowledge(seat, id);
      },
      answer: (id, payload, more) => {
        this.#answer(seat, id, payload, more);
      },
      fail: (id, error) => {
        this.#fail(seat, id, error);
      },
      drain: () => {
        this.#drain(seat);
      },
      leave: () => {
        this.#leave(seat);
      },
    };
  }

  /** Whether a task could be given at once. */
  isFree(vhost: string, pattern: string, wanted: TaskNeeds): boolean {
    return this.#options.groups.find(vhost, pattern)?.isFree(wanted) === true;
  }

  takeOffer(from: string, offer: Offer): void {
    const id = taskId(from, offer.task);
    const known = this.#tasks.get(id);
    if (known !== undefined) {
      if (known.about.offer >= offer.offer) return;
      if (known.parts === 0) {
        // The asking node has not heard that it is here: it goes on under the new number, and nobody has to begin anew.
        known.about = { task: offer.task, offer: offer.offer };
        this.#telling.tell(known);
        return;
      }
      this.#withdraw(known);
    }
    const { left, pattern, request } = offer;
    const group = this.#options.groups.find(request.vhost, pattern);
    if (group === undefined || this.#stopped || !group.has(offer)) {
      this.#refuse(from, offer, "gone");
      return;
    }
    const seat = group.pick(offer);
    if (seat === undefined && !offer.mayWait) {
      this.#refuse(from, offer, "busy");
      return;
    }
    const task = new AssignedTask(from, offer, this.#options.clock.monotonic() + left, group);
    if (seat === undefined && !this.#waiting.take(request.vhost, task.bytes)) {
      this.#refuse(from, offer, "full");
      return;
    }
    this.#tasks.set(id, task);
    if (seat === undefined) task.group.waiting.add(task);
    else this.#give(task, seat);
    this.#telling.tellLater(task);
    this.#ticker.wake();
  }

  cancel(from: string, number: number, offer: number): void {
    const task = this.#tasks.get(taskId(from, number));
    if (task?.about.offer === offer) this.#withdraw(task);
  }

  /** Says which of these are here. */
  check(from: string, { tasks }: Check): void {
    const { post } = this.#options;
    const here: (readonly [number, number, number])[] = [];
    for (const [number, offer] of tasks) {
      const task = this.#tasks.get(taskId(from, number));
      if (task?.about.offer === offer) here.push([number, offer, task.parts]);
      else post.send(from, { type: "lost", task: number, offer, worker: "" });
    }
    if (here.length > 0) post.send(from, { type: "have", tasks: here });
  }

  /** Whoever asked there is gone. What was only to be done goes on. */
  onNodeLost(node: string): void {
    const gone = [...this.#tasks.values()].filter(({ from, request }) => from === node && request.wantsAnswer);
    // First those that wait: nobody is to be given them when the others end.
    for (const task of gone) if (task.seat === undefined) this.#withdraw(task);
    for (const task of gone) if (task.seat !== undefined) this.#withdraw(task);
  }

  /** No new tasks. Resolves when the workers have ended what they have. */
  async drain(): Promise<void> {
    this.#stopped = true;
    for (const seat of this.#seats.values()) this.#drain(seat);
    if (this.#tasks.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  /** What there is goes back to who has asked. */
  stop(): void {
    this.#stopped = true;
    for (const seat of this.#seats.values()) this.#leave(seat);
    this.#ticker.stop();
    this.#telling.stop();
  }

  #refuseStopped(): void {
    if (this.#stopped) throw new CarillonError("unavailable", "this node is stopping: connect to another one");
  }

  #refuse(from: string, { offer, task }: AssignedTask["about"], why: Why): void {
    this.#options.post.send(from, { type: "refused", task, offer, why });
  }

  #give(task: AssignedTask, seat: WorkerHandle): void {
    const { clock } = this.#options;
    const { attempt, id, payload, request } = task;
    const deadline = clock.now() + (task.ends - clock.monotonic());
    task.seat = seat;
    // From now on the asking node alone has it: if it is needed again, it comes from there.
    task.payload = NOTHING;
    seat.tasks.set(id, task);
    this.#guard(seat, () => {
      seat.connection.give({ ...request, id, attempt, deadline, payload });
    });
  }

  /** Gives a worker what waits for it, the oldest first, as far as it has room. */
  #feed(seat: WorkerHandle): void {
    while (seat.free > 0 && this.#waiting.count > 0) {
      const task = this.#nextFor(seat);
      if (task === undefined) return;
      this.#unqueue(task);
      // Whoever has asked gives up by itself.
      if (task.ends <= this.#options.clock.monotonic()) {
        this.#end(task);
        continue;
      }
      this.#give(task, seat);
      if (!task.request.wantsAnswer && this.#tasks.get(task.id) === task) this.#telling.tell(task);
    }
  }

  #nextFor(seat: WorkerHandle): AssignedTask | undefined {
    let next: AssignedTask | undefined;
    for (const group of this.#options.groups.of(seat)) {
      const task = group.nextFor(seat);
      if (task !== undefined && (next === undefined || task.order < next.order)) next = task;
    }
    return next;
  }

  #unqueue(task: AssignedTask): void {
    if (task.group.waiting.delete(task)) this.#waiting.giveBack(task.request.vhost, task.bytes);
  }

  #acknowledge(seat: WorkerHandle, id: string): void {
    this.#hear(seat);
    const task = seat.tasks.get(id);
    if (task !== undefined) task.acknowledged = true;
  }

  #answer(seat: WorkerHandle, id: string, payload: Uint8Array, more: boolean): void {
    this.#hear(seat);
    const task = seat.tasks.get(id);
    if (task === undefined) return;
    if (payload.length > MAX_PAYLOAD_BYTES) {
      const text = `the worker's answer is larger than ${MAX_PAYLOAD_BYTES} bytes`;
      this.#cancelAt(seat, task);
      this.#fail(seat, id, new CarillonError("resource_exhausted", text));
      return;
    }
    task.acknowledged = true;
    const { wantsAnswer } = task.request;
    if (more && !wantsAnswer) return;
    const position = task.parts;
    task.parts += 1;
    task.told = true;
    const part = { position, more, payload: wantsAnswer ? payload : NOTHING };
    this.#options.post.send(task.from, { type: "part", ...task.about, ...part });
    if (!more) this.#end(task);
  }

  #fail(seat: WorkerHandle, id: string, { code, message }: CarillonError): void {
    this.#hear(seat);
    const task = seat.tasks.get(id);
    if (task === undefined) return;
    task.told = true;
    this.#options.post.send(task.from, { type: "failed", ...task.about, code, message });
    this.#end(task);
  }

  #drain(seat: WorkerHandle): void {
    if (seat.leaving) return;
    seat.leaving = true;
    for (const group of this.#options.groups.remove(seat)) this.#returnHopeless(group);
  }

  #leave(seat: WorkerHandle): void {
    if (!this.#seats.delete(seat.id)) return;
    this.#drain(seat);
    for (const task of seat.tasks.values()) this.#return(task);
  }

  /** Tasks that waited for workers of which none is left go elsewhere. */
  #returnHopeless(group: WorkerGroup): void {
    for (const task of group.waiting) {
      if (group.has(task)) continue;
      this.#refuse(task.from, task.about, "gone");
      this.#end(task);
    }
  }

  /** Its worker is gone, or says nothing. */
  #return(task: AssignedTask): void {
    // A worker that is told to leave it may leave itself.
    if (this.#tasks.get(task.id) !== task) return;
    this.#options.post.send(task.from, { type: "lost", ...task.about, worker: task.seat?.id ?? "" });
    this.#end(task);
  }

  /** Nobody waits for it. */
  #withdraw(task: AssignedTask): void {
    if (task.seat !== undefined) this.#cancelAt(task.seat, task);
    this.#end(task);
  }

  #cancelAt(seat: WorkerHandle, { id }: AssignedTask): void {
    this.#guard(seat, () => {
      seat.connection.cancel(id);
    });
  }

  #end(task: AssignedTask): void {
    if (!this.#tasks.delete(task.id)) return;
    this.#unqueue(task);
    const { seat } = task;
    if (seat !== undefined) {
      seat.tasks.delete(task.id);
      this.#feed(seat);
    }
    if (this.#tasks.size === 0) this.#onEmpty?.();
  }

  /** It has said something. */
  #hear(seat: WorkerHandle): void {
    if (!seat.silent) return;
    seat.silent = false;
    this.#feed(seat);
  }

  /** @returns whether there are tasks to look at later */
  #look(): boolean {
    const late = this.#options.clock.monotonic() - GRACE;
    for (const task of this.#tasks.values()) {
      if (task.ends < late) {
        this.#withdraw(task);
        continue;
      }
      const { seat } = task;
      if (seat === undefined || task.acknowledged) continue;
      task.ticks += 1;
      if (task.ticks < this.#patience) continue;
      seat.silent = true;
      this.#cancelAt(seat, task);
      this.#return(task);
    }
    return this.#tasks.size > 0;
  }

  #guard(seat: WorkerHandle, run: () => void): void {
    try {
      run();
    } catch (fault) {
      const reason = types.isNativeError(fault) ? fault.message : String(fault);
      this.#options.onError(`telling worker ${seat.id} failed: ${reason}`);
    }
  }
}

const NOTHING = new Uint8Array();
