// What `PUT extensions/NAME` is sent. It replaces the whole table `[extensions.NAME]`, while the server
// tells an extension with everything filled in: what is as for the server's own port is left out.

const NOT_SETTINGS = new Set(["name", "needs_speech", "phrases", "languages"]);
const SHARED = "shared";

/** Return the table that makes this extension of the server's own one. */
export function settingsOf(extension, own) {
  const settings = { ...difference(extension, own, NOT_SETTINGS), ...extension.phrases };
  settings.port = extension.port ?? SHARED;
  settings.priority = extension.priority;
  const languages = extension.languages ?? [];
  if (languages.length && JSON.stringify(languages) !== JSON.stringify(own?.languages)) settings.language = languages;
  return settings;
}

function difference(table, own, leftOut = new Set()) {
  const chosen = {};
  for (const [name, value] of Object.entries(table)) {
    if (leftOut.has(name) || value === null) continue;
    const other = own?.[name];
    if (typeof value === "object" && !Array.isArray(value)) {
      const part = difference(value, other);
      if (Object.keys(part).length) chosen[name] = part;
    } else if (JSON.stringify(value) !== JSON.stringify(other)) {
      chosen[name] = value;
    }
  }
  return chosen;
}

/** Return a value as it is written in a field: a table, such as a voice for each language, as JSON. */
export function textOf(value) {
  return value && typeof value === "object" && !Array.isArray(value) ? JSON.stringify(value) : String(value ?? "");
}

/** Return the value at a path like `dialog.name`; undefined: there is none. */
export function valueAt(table, path) {
  return path.split(".").reduce((part, name) => part?.[name], table);
}

/** Set the value at a path; undefined removes it. */
export function change(table, path, value) {
  const names = path.split(".");
  const last = names.pop();
  let part = table;
  for (const name of names) part = part[name] ??= {};
  if (value === undefined) delete part[last];
  else part[last] = value;
}
