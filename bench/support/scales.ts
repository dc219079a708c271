import { joinText } from "./payload.js";
import type { Random } from "./random.js";

/** One size of a growing number of sessions or topics. */
export interface Scale {
  readonly setting: string;
  readonly hellos: readonly string[];
  readonly topics: () => readonly number[];
  readonly members: number;
}

/** Creates a scale with all sessions in one topic. */
export function oneTopic(sessions: number): Scale {
  const hellos = Array.from({ length: sessions }, () => joinText([0]));
  return { setting: `${sessions} sessions`, hellos, topics: () => [0], members: sessions };
}

/** Creates a scale with all sessions in one topic, which gets the messages; the node holds other topics of one session each. */
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
 * Creates a scale with busy topics only. Every topic has a group of sessions, a hundredth of all, and each turn brings one
 * message to every group, in a random one of its topics. So a turn is the same work for any number of topics.
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
