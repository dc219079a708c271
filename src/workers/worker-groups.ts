import { CarillonError } from "../errors.js";
import type { Announcements } from "./announcements.js";
import type { Place } from "./directory.js";
import { MAX_PATTERNS, MAX_PATTERNS_OF_VHOST } from "./limits.js";
import type { Post } from "./post.js";
import type { Seat } from "./seat.js";
import { WorkerGroup } from "./worker-group.js";

/** The groups of this node's workers by their patterns. Other nodes are told which there are. */
export class WorkerGroups {
  readonly #post: Post;
  readonly #announcements: Announcements;
  readonly #groups = new Map<string, Map<string, WorkerGroup>>();
  #count = 0;

  constructor(post: Post, announcements: Announcements) {
    this.#post = post;
    this.#announcements = announcements;
  }

  find(vhost: string, pattern: string): WorkerGroup | undefined {
    return this.#groups.get(vhost)?.get(pattern);
  }

  /** Those that a worker is in. */
  *of({ hello: { events, vhost } }: Seat): Generator<WorkerGroup> {
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
  async add(seat: Seat): Promise<void> {
    const { events, vhost } = seat.hello;
    const groups = this.#groups.get(vhost) ?? new Map<string, WorkerGroup>();
    const fresh = events.filter((pattern) => !groups.has(pattern));
    if (this.#count + fresh.length > MAX_PATTERNS) {
      throw new CarillonError("resource_exhausted", `the workers of this node have ${MAX_PATTERNS} patterns already`);
    }
    if (groups.size + fresh.length > MAX_PATTERNS_OF_VHOST) {
      const text = `the vhost's workers at this node would have more than ${MAX_PATTERNS_OF_VHOST} patterns`;
      throw new CarillonError("resource_exhausted", text);
    }
    this.#count += fresh.length;
    this.#groups.set(vhost, groups);
    for (const pattern of fresh) {
      const group = new WorkerGroup([vhost, pattern]);
      group.end = this.#post.takePart(group.place);
      groups.set(pattern, group);
    }
    for (const group of this.of(seat)) group.seats.push(seat);
    const announced = this.#announce(fresh.map((pattern): Place => [vhost, pattern]));
    for (const pattern of fresh) {
      const group = groups.get(pattern);
      if (group !== undefined) group.announced = announced;
    }
    // Others may have come just before it.
    await Promise.all(Array.from(this.of(seat), (group) => group.announced));
  }

  async #announce(places: readonly Place[]): Promise<void> {
    if (places.length > 0) await Promise.all([this.#post.confirm(), this.#announcements.add(places)]);
  }

  /**
   * It gets no more tasks.
   * @returns its groups: where nobody else is left in them, they have ended
   */
  remove(seat: Seat): readonly WorkerGroup[] {
    const left = [...this.of(seat)].filter(({ seats }) => seats.includes(seat));
    for (const group of left) {
      group.seats.splice(group.seats.indexOf(seat), 1);
      if (group.seats.length === 0) this.#end(group);
    }
    this.#announcements.remove(left.filter(({ seats }) => seats.length === 0).map(({ place }) => place));
    return left;
  }

  #end(group: WorkerGroup): void {
    const [vhost, pattern] = group.place;
    const groups = this.#groups.get(vhost);
    groups?.delete(pattern);
    if (groups?.size === 0) this.#groups.delete(vhost);
    this.#count -= 1;
    group.end();
  }
}
