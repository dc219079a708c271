import type { SlowConsumerPolicy } from "./topic-rules.js";

/** Messages that sessions did not get because they were too slow, by the policy that dropped them. */
export type Drops = Record<SlowConsumerPolicy, number>;
