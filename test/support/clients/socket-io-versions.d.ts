/** Types for versions whose own types cannot be imported. The parts that the tests use are the same as in the newest version. */
declare module "socket.io-client-2" {
  export { io as default } from "socket.io-client";
}

declare module "socket.io-client-3" {
  export { io } from "socket.io-client";
}
