// The form that adds or changes an extension. Only what was touched changes; the server checks all of it.

import { openForm } from "./dialogs.js";
import { make } from "./element.js";
import { change, settingsOf, textOf, valueAt } from "./extension_settings.js";
import { field } from "./field.js";
import { ask } from "./server.js";
import { say } from "./words.js";

const PRIORITIES = ["emergency", "high", "normal", "background"];

const readPort = (text) => (/^\d+$/.test(text) ? Number(text) : text);

const FIELDS = [
  { path: "port", isRequired: true, read: readPort },
  { path: "return_port", read: readPort },
  { path: "priority", options: () => PRIORITIES.map((name) => [name, name]) },
  { path: "max_calls", type: "number", read: Number },
  { path: "language" },
  { path: "tts" },
  { path: "voice", read: (text) => (text.startsWith("{") ? JSON.parse(text) : text) },
  { path: "dialog.name" },
  { path: "dialog.greeting" },
  { path: "busy" },
  { path: "apology" },
  { path: "waiting" },
  { path: "barge_in.enabled", options: () => [["", say("as_server")], ["true", say("yes")], ["false", say("no")]], read: (text) => text === "true" },
];

/** Open the form. `extension` null: a new one. `own` is the server's own port's. */
export function editExtension(extension, own, done) {
  const settings = extension ? settingsOf(extension, own) : { port: "auto", priority: "normal" };
  const name = field(say("name"), { value: extension?.name ?? "", required: true, maxLength: 64, readOnly: extension !== null });
  const fields = FIELDS.map((it) => {
    const shown = textOf(valueAt(settings, it.path));
    const made = field(say(`set_${it.path}`), {
      value: shown, required: Boolean(it.isRequired), ...(it.type ? { type: it.type, min: "1" } : {}),
      ...(it.options ? { options: it.options() } : { placeholder: String(valueAt(own ?? {}, it.path) ?? "") }),
    });
    return { ...it, ...made, shown };
  });
  fields.find((it) => it.path === "port").input.placeholder = "";
  openForm({
    title: say(extension ? "edit_extension" : "add_extension"),
    content: [
      make("p", { className: "note", textContent: say("extension_help") }),
      make("div", { className: "fields" }, name.element, ...fields.map((it) => it.element)),
    ],
    button: say("save"),
    act: async () => {
      const chosen = structuredClone(settings);
      for (const { path, input, shown, read } of fields) {
        const text = input.value.trim();
        if (text !== shown) change(chosen, path, text === "" ? undefined : (read ?? String)(text));
      }
      const body = await ask("PUT", `extensions/${encodeURIComponent(name.input.value.trim())}`, chosen);
      done();
      return body.waiting.length ? say("reloaded_waiting", { names: body.waiting.join(", ") }) : "";
    },
  });
  (extension ? fields[0] : name).input.focus();
}

/** Ask, then remove. */
export function removeExtension(extension, done) {
  openForm({
    title: say("remove"),
    content: [make("p", { textContent: say("remove_ask", { name: extension.name }) })],
    button: say("remove"),
    isDanger: true,
    act: async () => {
      await ask("DELETE", `extensions/${encodeURIComponent(extension.name)}`);
      done();
    },
  });
}
