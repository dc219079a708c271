/** Names that several rooms have to agree on. */

/** The vhost that is always there, and whose backends manage the others. */
export const DEFAULT_VHOST = "/";

/** Source: webrocket's vhost paths. */
export const VHOST_PATH = /^\/(?:[\w-]+(?:\/[\w-]+)*)?$/;

/** A backend's key, or its certificate, as logs and refusals call it. */
export const KEY_NAME = /^[\w.-]{1,64}$/;
