import { patternWeight } from "../../access/patterns/pattern.js";
import { CarillonError } from "../../errors.js";
import type { Announcements } from "../directory/announcements.js";
import type { WorkerPlace } from "../directory/directory.js";
import { MAX_PATTERNS_OF_VHOST, MAX_WEIGHT_OF_VHOST, MAX_WORKER_PATTERNS } from "../limits.js";
import type { TaskTransport } from "../wire/task-transport.js";
import { WorkerGroup } from "./worker-group.js";
import type { WorkerHandle } from "./worker-handle.js";

/** The groups of this node's workers by their patterns. Other nodes are told which there are. */
export class WorkerGroups {
  readonly #post: TaskTransport;
  readonly #announcements: Announcements;
  readonly #groups = new Map<string, Map<string, WorkerGroup>>();
  #count = 0;

  constructor(post: TaskTransport, announcements: Announcements) {
    this.#post = post;
    this.#announcements = announcements;
  }

  find(vhost: string, pattern: string): WorkerGroup | undefined {
    return this.#groups.get(vhost)?.get(pattern);
  }

  /** Those that a worker is in. */
  *of({ hello: { events, vhost } }: WorkerHandle): Generator<WorkerGroup> {
    const groups = this.#groups.get(vhost);
    if (groups === undefined) return;
    for (const pattern of events) {
      const group = groups.get(pattern);
      if (group !== undefined) yield group;
    }
  }

  /**
   * Takes a worker into its groups at once. Resolves when all nodes know of them, as far as they answer.
   * @throws CarillonError resource_exhausted
   */
  async add(seat: WorkerHandle): Promise<void> {
    const { events, vhost } = seat.hello;
    const groups = this.#groups.get(vhost) ?? new Map<string, WorkerGroup>();
    const fresh = events.filter((pattern) => !groups.has(pattern));
    if (this.#count + fresh.length > MAX_WORKER_PATTERNS) {
      throw new CarillonError(
        "resource_exhausted",
        `the workers of this node have ${MAX_WORKER_PATTERNS} patterns already`,
      );
    }
    if (groups.size + fresh.length > MAX_PATTERNS_OF_VHOST) {
      const text = `the vhost's workers at this node would have more than ${MAX_PATTERNS_OF_VHOST} patterns`;
      throw new CarillonError("resource_exhausted", text);
    }
    const weight = patternWeight(fresh) + Array.from(groups.values(), (group) => group.weight).reduce(add, 0);
    if (weight > MAX_WEIGHT_OF_VHOST) {
      const text = `the patterns of the vhost's workers at this node would weigh more than ${MAX_WEIGHT_OF_VHOST}`;
      throw new CarillonError("resource_exhausted", text);
    }
    this.#count += fresh.length;
    this.#groups.set(vhost, groups);
    for (const pattern of fresh) groups.set(pattern, new WorkerGroup(pattern));
    for (const group of this.of(seat)) group.seats.push(seat);
    this.#share(seat);
    // Others may have come just before it.
    await Promise.all(Array.from(this.of(seat), async (group) => group.shares.get(seat.answers)?.announced));
  }

  /** Tells of the groups in which this is the first of its kind. */
  #share(seat: WorkerHandle): void {
    const { answers } = seat;
    const unshared = [...this.of(seat)].filter(({ shares }) => !shares.has(answers));
    const ends = unshared.map((group) => {
      // What is offered to whoever listens may want an answer.
      return answers ? this.#post.takePart(placeOf(seat, group)) : ignore;
    });
    const announced = this.#announce(unshared.map((group) => placeOf(seat, group)));
    for (const [position, { shares }] of unshared.entries()) {
      shares.set(answers, { announced, end: ends[position] ?? ignore });
    }
  }

  async #announce(places: readonly WorkerPlace[]): Promise<void> {
    if (places.length > 0) await Promise.all([this.#post.confirm(), this.#announcements.add(places)]);
  }

  /**
   * It gets no more tasks.
   * @returns its groups: where nobody else is left in them, they have ended
   */
  remove(seat: WorkerHandle): readonly WorkerGroup[] {
    const left = [...this.of(seat)].filter(({ seats }) => seats.includes(seat));
    const unshared: WorkerPlace[] = [];
    for (const group of left) {
      const { seats, shares } = group;
      seats.splice(seats.indexOf(seat), 1);
      if (seats.some(({ answers }) => answers === seat.answers)) continue;
      shares.get(seat.answers)?.end();
      shares.delete(seat.answers);
      unshared.push(placeOf(seat, group));
      if (seats.length === 0) this.#end(seat.hello.vhost, group);
    }
    this.#announcements.remove(unshared);
    return left;
  }

  #end(vhost: string, { pattern }: WorkerGroup): void {
    const groups = this.#groups.get(vhost);
    groups?.delete(pattern);
    if (groups?.size === 0) this.#groups.delete(vhost);
    this.#count -= 1;
  }
}

function placeOf({ answers, hello: { vhost } }: WorkerHandle, { pattern }: WorkerGroup): WorkerPlace {
  return answers ? [vhost, pattern] : [vhost, pattern, "triggers"];
}

function add(a: number, b: number): number {
  return a + b;
}

function ignore(): void {}
