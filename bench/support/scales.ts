import { joinText } from "./payload.js";
import type { Random } from "./random.js";

/** One size of what grows. */
export interface Scale {
  readonly setting: string;
  readonly hellos: readonly string[];
  readonly topics: () => readonly number[];
  readonly members: number;
}

/** All in one topic. */
export function oneTopic(sessions: number): Scale {
  const hellos = Array.from({ length: sessions }, () => joinText([0]));
  return { setting: `${sessions} sessions`, hellos, topics: () => [0], members: sessions };
}

/** All in one topic, which gets the messages; the node holds others, each of one session. */
export function amongOthers(sessions: number, topics: number): Scale {
  const hellos = Array.from({ length: sessions }, (_, session) => {
    const joins = [0];
    for (let topic = 1 + session; topic < topics; topic += sessions) joins.push(topic);
    return joinText(joins);
  });
  return { setting: `${topics} topics, 1 busy`, hellos, topics: () => [0], members: sessions };
}

const GROUPS = 100;

/**
 * Every topic has a group of sessions, a hundredth of all, and each turn brings one message to every group: in any of
 * the group's topics, so that all of them are busy and a turn is the same work however many there are.
 */
export function allBusy(sessions: number, topics: number, random: Random): Scale {
  const members = sessions / GROUPS;
  const hellos = Array.from({ length: sessions }, (_, session) => {
    const joins: number[] = [];
    for (let topic = Math.floor(session / members); topic < topics; topic += GROUPS) joins.push(topic);
    return joinText(joins);
  });
  const layers = topics / GROUPS;
  const turn = (): number[] => Array.from({ length: GROUPS }, (_, group) => group + GROUPS * random.below(layers));
  return { setting: `${topics} topics, all busy`, hellos, topics: turn, members };
}
