import { broadcaster } from "../dialects/broadcaster/module.js";
import { events } from "../dialects/events/module.js";
import { native } from "../dialects/native/module.js";
import { roadrunner } from "../dialects/roadrunner/module.js";
import { rootsocket } from "../dialects/rootsocket/module.js";
import { socketio } from "../dialects/socketio/module.js";
import { webrocket } from "../dialects/webrocket/module.js";

/**
 * The dialects of a node. The first one that recognizes a WebSocket path serves it. webrocket may be mounted at the root, where
 * every path could be a vhost's, so it comes after all others that recognize paths by vhost.
 */
export const DIALECTS = [native, events, broadcaster, rootsocket, webrocket, socketio, roadrunner] as const;
