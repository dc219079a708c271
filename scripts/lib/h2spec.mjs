import { goProgram } from "./go-program.mjs";

/** Finds h2spec for the conformance tests of HTTP/2, or builds it. Returns `{ path }`, or `{ missing: reason }`. */
export function h2spec() {
  return goProgram({
    name: "h2spec",
    // The last version that Go modules can name.
    version: "2.2.1+incompatible",
    module: "github.com/summerwind/h2spec/cmd/h2spec",
    variable: "H2SPEC",
    // The tests list its cases.
    pinned: true,
  });
}
