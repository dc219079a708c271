import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { findFreePorts } from "../../../bench/support/ports.js";
import { ignore } from "../../../src/util/ignore.js";
import { packageRoot } from "../../../src/util/package-root.js";
import { cleanUp } from "../clean-up.js";
import { TestAuthority } from "../net/certificates.js";
import { Program } from "../nodes/program.js";
import { temporaryFolder } from "../temporary-files.js";

/** Proxies whose configuration is in deploy/proxies/. */
export const PROXIES = ["nginx", "caddy", "haproxy"] as const;

export type ProxyName = (typeof PROXIES)[number];

const FILES: Readonly<Record<ProxyName, string>> = {
  nginx: "nginx.conf",
  caddy: "Caddyfile",
  haproxy: "haproxy.cfg",
};

/** Milliseconds between two attempts to connect to a proxy that starts. */
const PAUSE = 50;

/** Reason why a proxy cannot be run here; undefined if it can. */
export function proxyMissing(name: ProxyName): string | undefined {
  // Each node has a loopback address of its own, with the ports of the file.
  if (process.platform !== "linux") return "needs the addresses 127.0.0.2 and 127.0.0.3";
  if (name === "nginx" && process.getuid?.() !== 0) return "nginx packages need root for their folders";
  return process.env[`${name.toUpperCase()}_MISSING`];
}

/** Ports that all nodes behind a proxy have, each on its own address. */
export interface NodePorts {
  readonly http: number;
  readonly grpc: number;
}

/** Host of a node, from 1. */
export function hostOfNode(number: number): string {
  return `127.0.0.${number}`;
}

/** Proxy that runs the file of deploy/proxies/ with other addresses. */
export interface TestProxy {
  readonly port: number;
  readonly grpcPort: number;
  /** PEM file of the authority that signed its certificate. */
  readonly caFile: string;
  readonly ca: Buffer;
  readonly program: Program;
}

/** Starts a proxy in front of three nodes, and ends it after the test. Resolves when it accepts connections. */
export async function startProxy(name: ProxyName, nodes: NodePorts): Promise<TestProxy> {
  const folder = temporaryFolder();
  const authority = await TestAuthority.create();
  const { certFile, keyFile } = await authority.issue("localhost", "127.0.0.1");
  const [certificate, key] = [readFileSync(certFile, "utf8"), readFileSync(keyFile, "utf8")];
  writeFileSync(join(folder, "tls.crt"), certificate);
  writeFileSync(join(folder, "tls.key"), key);
  writeFileSync(join(folder, "tls.pem"), `${certificate}\n${key}`);
  const [port = 0, grpcPort = 0] = await findFreePorts(2);
  const file = join(folder, FILES[name]);
  const shipped = readFileSync(join(packageRoot, "deploy", "proxies", FILES[name]), "utf8");
  writeFileSync(file, replaceAddresses(shipped, { folder, nodes, port, grpcPort }));
  const program = new Program(process.env[name.toUpperCase()] || name, argumentsOf(name, file), {
    folder,
    environment: { PATH: `${process.env["PATH"]}:/usr/sbin`, HOME: folder },
  });
  cleanUp(() => program.stop("SIGKILL"));
  await untilAccepts(port, program);
  return { port, grpcPort, caFile: authority.caFile, ca: readFileSync(authority.caFile), program };
}

function argumentsOf(name: ProxyName, file: string): readonly string[] {
  if (name === "nginx") return ["-c", file, "-g", "daemon off;"];
  if (name === "caddy") return ["run", "--adapter", "caddyfile", "--config", file];
  return ["-f", file, "-db"];
}

interface Addresses {
  readonly folder: string;
  readonly nodes: NodePorts;
  readonly port: number;
  readonly grpcPort: number;
}

/** Replaces addresses, ports and paths, and nothing else. */
function replaceAddresses(text: string, { folder, grpcPort, nodes, port }: Addresses): string {
  const ports: Readonly<Record<string, number>> = { 8080: nodes.http, 6001: nodes.grpc };
  return text
    .replaceAll(/\bcarillon-([123]):(8080|6001)\b/g, (_, node, standing) => `${hostOfNode(node)}:${ports[standing]}`)
    .replaceAll(/^(\s*(?:listen |bind :|:))(443|6001)\b/gm, (_, before: string, standing: string) => {
      return `${before.replace(":", "")}127.0.0.1:${standing === "443" ? port : grpcPort}`;
    })
    .replaceAll("/etc/carillon", folder)
    .replaceAll("/run/nginx.pid", join(folder, "nginx.pid"));
}

/** Resolves when a program accepts connections. @throws Error when it ends before */
async function untilAccepts(port: number, program: Program): Promise<void> {
  let ended = false;
  program.gone.then(() => {
    ended = true;
  }, ignore);
  while (!(await accepts(port))) {
    if (ended) throw new Error(`the proxy has ended:\n${program.printed}`);
    await pause(PAUSE);
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
