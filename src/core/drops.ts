import type { SlowConsumerPolicy } from "./topic-rules.js";

/** Numbers of messages that slow sessions did not receive, by the policy that dropped them. */
export type Drops = Record<SlowConsumerPolicy, number>;
