/** Names that several rooms share. */

/** Path of the vhost that always exists. Its backends manage the other vhosts. */
export const DEFAULT_VHOST = "/";

/** Matches a vhost's name: `/`, or segments of letters, digits, _ and -. */
export const VHOST_PATH = /^\/(?:[\w-]+(?:\/[\w-]+)*)?$/;

/** Matches the name of a backend's key or certificate, which logs and refusals show. */
export const KEY_NAME = /^[\w.-]{1,64}$/;
