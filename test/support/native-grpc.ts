// Runs before each test file of the jest project that tests the gRPC server of the setting `grpc.server: native`.
process.env["CARILLON_GRPC_SERVER"] = "native";
