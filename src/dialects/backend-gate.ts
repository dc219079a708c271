import type { BackendAction } from "../access/decide/actions.js";
import type { Backend, BackendCredentials } from "../access/keys/backend.js";

/** Who may call what, by whichever protocol. */
export interface RequestGate {
  /** @throws CarillonError unauthenticated, permission_denied, not_found (the vhost), unavailable */
  admit(credentials: BackendCredentials, action: BackendAction): Backend;
}
