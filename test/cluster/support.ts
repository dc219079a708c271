import type { Json } from "../../src/access/decide/principal.js";
import type { Bus } from "../../src/cluster/bus.js";
import { ClusterNode } from "../../src/cluster/cluster-node.js";
import type { Clock } from "../../src/core/ports.js";
import { systemClock } from "../../src/util/system-clock.js";
import { cleanUp } from "../support/clean-up.js";
import { Queue } from "../support/queue.js";

export interface TestMember {
  readonly member: ClusterNode;
  /** Joined (`+node`) and lost (`-node`) nodes, in order. */
  readonly changes: Queue<string>;
  readonly notes: Queue<Json>;
  readonly errors: string[];
}

let count = 0;

/** Starts a node that answers `name` with its name and `echo` with the request, and accepts `note`. Stops it after the test. */
export function createMember(name: string, bus: Bus, clock: Clock = systemClock): TestMember {
  count += 1;
  const changes = new Queue<string>();
  const notes = new Queue<Json>();
  const errors: string[] = [];
  const node = `${name}-${count}`;
  const member = new ClusterNode({ node, bus, clock, onError: (message) => errors.push(message) });
  member.handle("name", () => name);
  member.handle("echo", (body) => body);
  member.handle("note", (body, from) => {
    notes.push([from, body]);
    return null;
  });
  member.onNodes(({ alive, node: changed }) => {
    changes.push(`${alive ? "+" : "-"}${changed}`);
  });
  cleanUp(() => member.stop(100));
  return { member, changes, notes, errors };
}

export async function startMember(name: string, bus: Bus, clock: Clock = systemClock): Promise<TestMember> {
  const made = createMember(name, bus, clock);
  await made.member.start();
  return made;
}

/** Returns the answers by the nodes' names. */
export function namesIn(answers: ReadonlyMap<string, Json>): Json[] {
  return [...answers.values()].toSorted((a, b) => (String(a) < String(b) ? -1 : 1));
}
