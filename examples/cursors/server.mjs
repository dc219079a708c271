import { createLogin } from "../support/login.mjs";
import { runExample } from "../support/run.mjs";

await runExample(new URL("./", import.meta.url), { routes: { "POST /login": createLogin() } });
