import { field, h, show } from "./elements.js";
import { beginSession } from "./rpc.js";

/** Shows the form to sign in with the password or with a key. */
export function signIn(view, { password }, onSignedIn) {
  const secret = h("input", {
    id: "secret",
    type: "password",
    autocomplete: password ? "current-password" : "off",
    required: true,
    "data-testid": "secret",
  });
  const label = field("", secret);
  const result = h("p", { className: "result", role: "alert", "data-testid": "sign-in-result" });
  const button = h("button", { type: "submit", className: "primary", "data-testid": "sign-in" }, "Sign in");
  const way = h("button", { type: "button", className: "link", "data-testid": "other-way" });
  let by = password ? "password" : "key";
  const showWay = () => {
    label.querySelector("label").textContent = by === "password" ? "Password" : "Key";
    way.textContent = by === "password" ? "Use a key instead" : "Use the password instead";
    secret.value = "";
    result.textContent = "";
  };
  way.addEventListener("click", () => {
    by = by === "password" ? "key" : "password";
    showWay();
    secret.focus();
  });
  const form = h(
    "form",
    {
      className: "panel",
      onsubmit: async (event) => {
        event.preventDefault();
        button.disabled = true;
        button.textContent = "Signing in …";
        result.textContent = "";
        try {
          await beginSession({ [by]: secret.value });
          onSignedIn();
        } catch ({ code, message }) {
          result.dataset.kind = "bad";
          result.textContent = code === "unreachable" ? "The node does not answer." : `${capitalize(message)}.`;
          button.disabled = false;
          button.textContent = "Sign in";
          secret.select();
        }
      },
    },
    h("h1", {}, "Sign in"),
    label,
    h("div", { className: "submit" }, button, password ? way : undefined),
    result,
    h(
      "p",
      { className: "aside" },
      password ? "A key needs the action admin." : "Sign in with a key that has the action admin.",
    ),
  );
  showWay();
  show(view, h("div", { className: "sign-in" }, form));
  secret.focus();
}

function capitalize(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
