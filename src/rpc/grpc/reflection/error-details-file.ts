import { create, createFileRegistry, type DescFile, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type DescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  file_google_protobuf_duration,
} from "@bufbuild/protobuf/wkt";

type MessageInit = MessageInitShape<typeof DescriptorProtoSchema>;

const NAME = "google/rpc/error_details.proto";

/**
 * Creates a descriptor of the error details that this server sends (rule R16), for server reflection. Clients that read
 * schemas at run time, such as grpcurl, then show the details instead of their bytes. Field numbers are those of the published file.
 */
export function errorDetailsFile(): DescFile {
  const proto = create(FileDescriptorProtoSchema, {
    name: NAME,
    package: "google.rpc",
    dependency: ["google/protobuf/duration.proto"],
    syntax: "proto3",
    messageType: [errorInfo(), retryInfo(), badRequest()],
  });
  const file = createFileRegistry(proto, () => file_google_protobuf_duration).getFile(NAME);
  if (file === undefined) throw new Error(`${NAME} has no descriptor`);
  return file;
}

const TEXT = { type: FieldDescriptorProto_Type.STRING, label: FieldDescriptorProto_Label.OPTIONAL };

function errorInfo(): MessageInit {
  return {
    name: "ErrorInfo",
    field: [
      { ...TEXT, name: "reason", jsonName: "reason", number: 1 },
      { ...TEXT, name: "domain", jsonName: "domain", number: 2 },
    ],
  };
}

function retryInfo(): MessageInit {
  return {
    name: "RetryInfo",
    field: [
      {
        name: "retry_delay",
        jsonName: "retryDelay",
        number: 1,
        type: FieldDescriptorProto_Type.MESSAGE,
        label: FieldDescriptorProto_Label.OPTIONAL,
        typeName: ".google.protobuf.Duration",
      },
    ],
  };
}

function badRequest(): MessageInit {
  return {
    name: "BadRequest",
    field: [
      {
        name: "field_violations",
        jsonName: "fieldViolations",
        number: 1,
        type: FieldDescriptorProto_Type.MESSAGE,
        label: FieldDescriptorProto_Label.REPEATED,
        typeName: ".google.rpc.BadRequest.FieldViolation",
      },
    ],
    nestedType: [
      {
        name: "FieldViolation",
        field: [
          { ...TEXT, name: "field", jsonName: "field", number: 1 },
          { ...TEXT, name: "description", jsonName: "description", number: 2 },
        ],
      },
    ],
  };
}
