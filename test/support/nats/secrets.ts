import { randomUUID } from "node:crypto";
import { nkeys } from "nats";

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** Creates an operator, an account and a user of NATS, as `nsc` does. */
export function makeOperator(): { readonly serverConfig: string; readonly creds: string } {
  const operator = nkeys.createOperator();
  const account = nkeys.createAccount();
  const user = nkeys.createUser();
  const operatorJwt = signedClaims(operator, operator, { type: "operator", version: 2 });
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const accountJwt = signedClaims(operator, account, { type: "account", version: 2, limits });
  const userLimits = { subs: -1, data: -1, payload: -1 };
  const userJwt = signedClaims(account, user, { type: "user", version: 2, pub: {}, sub: {}, ...userLimits });
  const seed = Buffer.from(user.getSeed()).toString();
  return {
    serverConfig: `operator: ${operatorJwt}\nresolver: MEMORY\nauthorization: { timeout: 240 }\nresolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
    creds: `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
  };
}

function signedClaims(issuer: KeyPair, subject: KeyPair, nats: object): string {
  const claims = {
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: "test",
    nats,
  };
  const signed = `${base64url({ typ: "JWT", alg: "ed25519-nkey" })}.${base64url(claims)}`;
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString("base64url")}`;
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
