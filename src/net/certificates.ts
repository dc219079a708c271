import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";
import { errorText } from "../util/native-error.js";
import { FileWatch } from "./file-watch.js";

export interface CertificatesOptions {
  /** PEM file with the certificate and its intermediate certificates. */
  readonly certFile: string;
  /** PEM file with the unencrypted private key. */
  readonly keyFile: string;
  /** PEM file with the authorities of client certificates; undefined: clients are not asked for certificates. */
  readonly clientCaFile?: string | undefined;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly clock: Clock;
  /** Called when changed files have come into use. */
  readonly onReloaded: (loaded: LoadedCertificate) => void;
  /** Called once when changed files are unusable. The previous certificate stays in use. */
  readonly onFailed: (error: CarillonError) => void;
}

/** The certificate in use, for logs. */
export interface LoadedCertificate {
  readonly subject: string;
  /** Expiry time, in the certificate's notation. */
  readonly expires: string;
}

/** Contents of the files. */
type Contents = readonly [cert: Buffer, key: Buffer, clientCa: Buffer | undefined];

interface LoadedFiles {
  readonly contents: Contents;
  readonly context: SecureContextOptions;
}

/**
 * A certificate and its key, read from files and reloaded when the files change. Ports are notified: new connections get
 * the new certificate, existing connections keep the old one.
 */
export class Certificates {
  readonly #options: CertificatesOptions;
  readonly #users = new Set<(context: SecureContextOptions) => void>();
  readonly #watch: FileWatch;
  #contents: Contents | undefined;
  #context: SecureContextOptions = {};
  /** Text of the last reported error, so that it is not reported again at each reload. */
  #reported: string | undefined;

  constructor(options: CertificatesOptions) {
    this.#options = options;
    this.#watch = new FileWatch(this.#files, options.clock, () => this.#reload());
  }

  /**
   * Reads the files, then watches them.
   * @throws CarillonError failed_precondition, naming the file
   */
  async start(): Promise<void> {
    await this.#load();
    this.#watch.start();
  }

  stop(): void {
    this.#watch.stop();
  }

  /**
   * Calls `user` immediately with the TLS options, and again after each change.
   * @returns a function that ends the calls
   */
  use(user: (context: SecureContextOptions) => void): () => void {
    user(this.#context);
    this.#users.add(user);
    return () => {
      this.#users.delete(user);
    };
  }

  /**
   * Reads the files again.
   * @returns a function that brings them into use; undefined when they have not changed
   * @throws CarillonError failed_precondition, naming the file
   */
  async prepare(): Promise<(() => void) | undefined> {
    const loaded = await this.#read();
    if (loaded === undefined) return undefined;
    return () => {
      this.#use(loaded);
      this.#announce();
    };
  }

  async #reload(): Promise<void> {
    try {
      if (!(await this.#load())) return;
    } catch (cause) {
      const error = CarillonError.from(cause);
      if (error.message !== this.#reported) this.#options.onFailed(error);
      this.#reported = error.message;
      return;
    }
    this.#announce();
  }

  #announce(): void {
    for (const user of this.#users) user(this.#context);
    const { subject, validTo } = new X509Certificate(this.#contents?.[0] ?? "");
    this.#options.onReloaded({ subject: subject.replaceAll("\n", ", "), expires: validTo });
  }

  /** Loads the files. Returns true when they have changed. */
  async #load(): Promise<boolean> {
    const loaded = await this.#read();
    this.#reported = undefined;
    if (loaded === undefined) return false;
    this.#use(loaded);
    return true;
  }

  #use({ contents, context }: LoadedFiles): void {
    this.#contents = contents;
    this.#context = context;
    this.#reported = undefined;
  }

  /** Reads and checks the files. Returns undefined when they have not changed. */
  async #read(): Promise<LoadedFiles | undefined> {
    const { certFile, clientCaFile, keyFile, minVersion } = this.#options;
    const contents: Contents = [
      await readPem(certFile),
      await readPem(keyFile),
      clientCaFile === undefined ? undefined : await readPem(clientCaFile),
    ];
    const [cert, key, ca] = contents;
    if (this.#contents !== undefined && isSame(contents, this.#contents)) return undefined;
    if (ca !== undefined) checkAuthorities(clientCaFile ?? "", ca);
    const context = { cert, key, minVersion, ...(ca === undefined ? {} : { ca }) };
    try {
      createSecureContext(context);
    } catch (cause) {
      throw createTlsError(`${certFile} with ${keyFile}`, cause);
    }
    return { contents, context };
  }

  get #files(): string[] {
    const { certFile, clientCaFile, keyFile } = this.#options;
    return [certFile, keyFile, ...(clientCaFile === undefined ? [] : [clientCaFile])];
  }
}

async function readPem(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new CarillonError("failed_precondition", `cannot read ${file}: ${errorText(cause)}`, { cause });
  }
}

/** Rejects a file without a certificate, because node:tls would treat it as an empty list and reject every client. */
function checkAuthorities(file: string, pem: Buffer): void {
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw createTlsError(file, cause);
  }
}

/** The reason comes from OpenSSL and never contains key material. */
function createTlsError(what: string, cause: unknown): CarillonError {
  return new CarillonError("failed_precondition", `cannot use ${what} for TLS: ${errorText(cause)}`, { cause });
}

function isSame(some: Contents, others: Contents): boolean {
  return some.every((bytes, position) => {
    const other = others[position];
    return bytes === undefined || other === undefined ? bytes === other : bytes.equals(other);
  });
}
