/** Versions whose types cannot be imported: as far as the tests use them, they are as the newest. */
declare module "socket.io-client-2" {
  export { io as default } from "socket.io-client";
}

declare module "socket.io-client-3" {
  export { io } from "socket.io-client";
}
