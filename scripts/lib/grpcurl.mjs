import { goProgram } from "./go-program.mjs";

/** Finds grpcurl for the tests of server reflection, or builds it. Returns `{ path }`, or `{ missing: reason }`. */
export function grpcurl() {
  return goProgram({
    name: "grpcurl",
    version: "1.9.4",
    module: "github.com/fullstorydev/grpcurl/cmd/grpcurl",
    variable: "GRPCURL",
  });
}
