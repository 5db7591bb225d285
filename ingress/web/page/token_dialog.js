// The operator's token: kept for this tab only.

import { openForm } from "./dialogs.js";
import { reconnect } from "./events.js";
import { field } from "./field.js";
import { make } from "./element.js";
import { ask, keepToken, token } from "./server.js";
import { say } from "./words.js";

let current = null;

/** Ask for the token, unless that is done already. `reason` says why. */
export function askForToken(reason = "") {
  if (current?.open) return;
  const { input, element } = field(say("token"), { type: "password", value: token(), maxLength: 512 }, say("token_help"));
  current = openForm({
    title: say("token"),
    content: [...(reason ? [make("p", { textContent: reason })] : []), element],
    button: say("use"),
    act: async () => {
      const before = token();
      keepToken(input.value.trim());
      try {
        await ask("GET", "decisions");
      } catch (error) {
        keepToken(before);
        throw error;
      }
      reconnect();
      return "";
    },
  });
  input.focus();
}
