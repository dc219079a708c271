import type { ControlOptions } from "../../control/control.js";
import type { DialectModule } from "../../dialects/module.js";
import type { Logger } from "../../observe/log.js";
import type { Siblings } from "../../processes/siblings.js";

/** Functions and objects that the program gives to the parts of a node. */
export interface NodeContext {
  readonly log: Logger;
  readonly dialects: readonly DialectModule[];
  /** The other processes of this machine; undefined if this one is the only one. */
  readonly siblings: Siblings | undefined;
  /** Reads the configuration again. */
  readonly reload: ControlOptions["reload"];
  /** Lists what the node waits for before it is ready. */
  readonly readiness: () => readonly string[];
  /** Whether the node is stopping. */
  readonly stopping: () => boolean;
  /** Called when a broker, the store or the vhosts may have become ready. */
  readonly onChanged: () => void;
  /** Called when a broker is lost. */
  readonly onBrokerDown: () => void;
}
