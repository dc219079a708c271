import type { GrpcMountOptions, GrpcPort } from "../../../src/rpc/grpc/grpc-mount-options.js";
import { GrpcHttp2Mount } from "../../../src/rpc/grpc-http2/grpc-http2-mount.js";
import { GrpcMount } from "../../../src/rpc/grpc-js/grpc-mount.js";

/** Servers of the gRPC port, by their names in the setting `grpc.server`. */
const MOUNTS = { "grpc-js": GrpcMount, native: GrpcHttp2Mount };

/** Server of the gRPC port in this run of the test file. The projects of jest.config.js choose it. */
export const grpcServer: keyof typeof MOUNTS = process.env["CARILLON_GRPC_SERVER"] === "native" ? "native" : "grpc-js";

/** Variables with which the built executable has the same server. Previous versions do not know them. */
export const grpcVariables = grpcServer === "native" ? { CARILLON_GRPC_SERVER: grpcServer } : {};

/** Creates the gRPC port with the server of this run. */
export function createGrpcMount(options: GrpcMountOptions): GrpcPort {
  return new MOUNTS[grpcServer](options);
}
