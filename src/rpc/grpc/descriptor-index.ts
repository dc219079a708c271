import { type DescEnum, type DescFile, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** File descriptors by name and by the symbols that they define, as server reflection asks for them. */
export class DescriptorIndex {
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  readonly #encoded = new Map<DescFile, Uint8Array>();

  /** @param files - their imports are added */
  constructor(files: Iterable<DescFile>) {
    for (const file of files) this.#add(file);
  }

  /**
   * @param name - such as `websockets/v1/websockets.proto`
   * @returns the encoded file and after it all that it imports, each once; undefined where it is unknown
   */
  byName(name: string): Uint8Array[] | undefined {
    return this.#encodedOf(this.#files.get(name));
  }

  /**
   * @param symbol - full name of a message, a field, a oneof, an enum or one of its values, a service, or a method
   * @returns as byName does
   */
  bySymbol(symbol: string): Uint8Array[] | undefined {
    return this.#encodedOf(this.#symbols.get(symbol));
  }

  #add(file: DescFile): void {
    const { dependencies, enums, messages, proto, services } = file;
    if (this.#files.has(proto.name)) return;
    this.#files.set(proto.name, file);
    for (const dependency of dependencies) this.#add(dependency);
    for (const message of messages) this.#addMessage(file, message);
    for (const one of enums) this.#addEnum(file, one, proto.package);
    for (const { methods, typeName } of services) {
      this.#symbols.set(typeName, file);
      for (const { name } of methods) this.#symbols.set(qualified(typeName, name), file);
    }
  }

  #addMessage(file: DescFile, message: DescMessage): void {
    const { fields, nestedEnums, nestedMessages, oneofs, typeName } = message;
    this.#symbols.set(typeName, file);
    for (const { name } of [...fields, ...oneofs]) this.#symbols.set(qualified(typeName, name), file);
    for (const nested of nestedMessages) this.#addMessage(file, nested);
    for (const nested of nestedEnums) this.#addEnum(file, nested, typeName);
  }

  /** @param scope - around the enum, which its values are in too */
  #addEnum(file: DescFile, { typeName, values }: DescEnum, scope: string): void {
    this.#symbols.set(typeName, file);
    for (const { name } of values) this.#symbols.set(qualified(scope, name), file);
  }

  #encodedOf(file: DescFile | undefined): Uint8Array[] | undefined {
    if (file === undefined) return undefined;
    const all = new Set<DescFile>();
    const collect = (one: DescFile): void => {
      if (all.has(one)) return;
      all.add(one);
      for (const dependency of one.dependencies) collect(dependency);
    };
    collect(file);
    return [...all].map((one) => this.#encode(one));
  }

  #encode(file: DescFile): Uint8Array {
    let bytes = this.#encoded.get(file);
    if (bytes === undefined) {
      bytes = toBinary(FileDescriptorProtoSchema, file.proto);
      this.#encoded.set(file, bytes);
    }
    return bytes;
  }
}

function qualified(scope: string, name: string): string {
  return scope === "" ? name : `${scope}.${name}`;
}
