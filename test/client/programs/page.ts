// Bundled into a page by tests, which use the library through this object.

import { createFallback } from "../../../client/src/events.js";
import { rewind } from "../../../client/src/history.js";
import { createClient } from "../../../client/src/index.js";

Object.assign(globalThis, { library: { createClient, createFallback, rewind } });
