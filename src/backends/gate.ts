import type { BackendAction } from "../access/actions.js";
import type { Backend, BackendCredentials } from "../access/backend.js";

/** Who may call what, by whichever protocol. */
export interface Gate {
  /** @throws CarillonError unauthenticated, permission_denied, not_found (the vhost), unavailable */
  admit(credentials: BackendCredentials, action: BackendAction): Backend;
}
