// What the operator does to a call or to the server.

import { openForm } from "./dialogs.js";
import { make } from "./element.js";
import { field } from "./field.js";
import { ask } from "./server.js";
import { say } from "./words.js";

export function hangUp(call) {
  openForm({
    title: say("hang_up"),
    content: [make("p", { textContent: say("hang_up_ask", { call: call.call_id, extension: call.extension }) })],
    button: say("hang_up"),
    isDanger: true,
    act: async () => { await ask("DELETE", `calls/${call.call_id}`); },
  });
}

export function drain() {
  const { input, element } = field(say("drain_deadline"), { type: "number", min: "0", max: "86400", step: "1" }, say("drain_help"));
  openForm({
    title: say("drain"),
    content: [make("p", { textContent: say("drain_ask") }), element],
    button: say("drain"),
    isDanger: true,
    act: async () => {
      const body = await ask("POST", "drain", { deadline_s: input.value === "" ? null : Number(input.value) });
      return say("draining", { seconds: body.deadline_s });
    },
  });
}

export function reload(done) {
  openForm({
    title: say("reload"),
    content: [make("p", { textContent: say("reload_ask") })],
    button: say("reload"),
    act: async () => {
      const body = await ask("POST", "reload");
      done();
      return body.waiting.length ? say("reloaded_waiting", { names: body.waiting.join(", ") }) : say("reloaded");
    },
  });
}

export function clearCache(done) {
  openForm({
    title: say("clear_cache"),
    content: [make("p", { textContent: say("clear_cache_ask") })],
    button: say("clear_cache"),
    isDanger: true,
    act: async () => { await ask("DELETE", "cache"); done(); },
  });
}
