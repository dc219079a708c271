import { type DescEnum, type DescFile, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** Index of file descriptors by name and by the symbols that they define, for server reflection. */
export class DescriptorIndex {
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  readonly #encoded = new Map<DescFile, Uint8Array>();

  /** @param files - their imports are added as well */
  constructor(files: Iterable<DescFile>) {
    for (const file of files) this.#add(file);
  }

  /**
   * @param name - for example `websockets/v1/websockets.proto`
   * @returns the encoded file followed by all its imports, each once; undefined if it is unknown
   */
  byName(name: string): Uint8Array[] | undefined {
    return this.#encodeWithImports(this.#files.get(name));
  }

  /**
   * @param symbol - full name of a message, a field, a oneof, an enum or one of its values, a service, or a method
   * @returns as byName does
   */
  bySymbol(symbol: string): Uint8Array[] | undefined {
    return this.#encodeWithImports(this.#symbols.get(symbol));
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
      for (const { name } of methods) this.#symbols.set(qualify(typeName, name), file);
    }
  }

  #addMessage(file: DescFile, message: DescMessage): void {
    const { fields, nestedEnums, nestedMessages, oneofs, typeName } = message;
    this.#symbols.set(typeName, file);
    for (const { name } of [...fields, ...oneofs]) this.#symbols.set(qualify(typeName, name), file);
    for (const nested of nestedMessages) this.#addMessage(file, nested);
    for (const nested of nestedEnums) this.#addEnum(file, nested, typeName);
  }

  /** @param scope - scope around the enum, which also contains its values */
  #addEnum(file: DescFile, { typeName, values }: DescEnum, scope: string): void {
    this.#symbols.set(typeName, file);
    for (const { name } of values) this.#symbols.set(qualify(scope, name), file);
  }

  #encodeWithImports(file: DescFile | undefined): Uint8Array[] | undefined {
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

function qualify(scope: string, name: string): string {
  return scope === "" ? name : `${scope}.${name}`;
}
