import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import type { Server } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { protoPath as healthProto } from "grpc-health-check";
import { packageRoot } from "../util/package-root.js";

/** Server reflection (v1 and v1alpha), so that grpcurl and its like need no proto files. */
export function addReflection(server: Pick<Server, "addService">, services: readonly DescService[]): void {
  const files = services.map(({ file }) => `${file.name}.proto`);
  const definition = loadSync([...files, healthProto], {
    includeDirs: [join(packageRoot, "proto")],
  });
  new ReflectionService(definition).addToServer(server);
}
