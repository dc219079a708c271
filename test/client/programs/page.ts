// Bundled into a page by browser.test.ts, which uses the library through this object.

import { rewind } from "../../../client/src/history.js";
import { createClient } from "../../../client/src/index.js";

Object.assign(globalThis, { library: { createClient, rewind } });
