// The extensions as new calls get them, with their calls now.

import { explain } from "./dialogs.js";
import { find, setText } from "./element.js";
import { textOf } from "./extension_settings.js";
import { editExtension, removeExtension } from "./extension_form.js";
import { whole, NOTHING } from "./formats.js";
import { ask } from "./server.js";
import { Table } from "./table.js";
import { say } from "./words.js";

const OWN = "default"; // the server's own port: set in the configuration alone

export class Extensions {
  /** What the supervisor answered last; null: nothing yet. */
  #book = null;
  #version = null;
  #table;

  constructor() {
    const own = () => this.#book.items.find((it) => it.extension.name === OWN)?.extension;
    const done = () => this.refresh();
    this.#table = new Table(find("extensions-table"), {
      caption: say("extensions"),
      empty: say("no_extensions"),
      key: (row) => row.name,
      isSorted: 0,
      columns: [
        { title: say("name"), text: (row) => row.name, value: (row) => row.name },
        { title: say("set_port"), isNumber: true, text: portsOf, value: (row) => row.port },
        { title: say("calls"), isNumber: true, text: (row) => whole(row.calls), value: (row) => row.calls ?? 0 },
        { title: say("set_max_calls"), isNumber: true, text: (row) => whole(row.maximum_calls) },
        { title: say("refused_calls"), isNumber: true, text: (row) => whole(row.refused), value: (row) => row.refused ?? 0,
          tone: (row) => (row.refused ? "warn" : "") },
        { title: say("priority"), text: (row) => row.priority, value: (row) => row.priority },
        { title: say("language"), text: (row) => row.language, value: (row) => row.language },
        { title: say("set_voice"), text: (row) => textOf(row.extension?.voice) || NOTHING },
        { title: say("dialog"), text: (row) => row.dialog, value: (row) => row.dialog },
        { title: say("edit"), isTitleHidden: true, button: (row) => ({
          text: say("edit"), label: `${say("edit")} ${row.name}`, isHidden: !row.extension || row.name === OWN,
          press: () => editExtension(row.extension, own(), done) }) },
        { title: say("remove"), isTitleHidden: true, button: (row) => ({
          text: say("remove"), label: `${say("remove")} ${row.name}`, isHidden: !row.extension || row.name === OWN,
          press: () => removeExtension(row.extension, done) }) },
      ],
    });
    find("add-extension").onclick = () => editExtension(null, this.#book ? own() : null, done);
  }

  /** The names, the server's own first. */
  names(status) {
    const named = this.#book?.items.map((it) => it.extension.name) ?? status?.extensions.map((it) => it.name) ?? [];
    return named.length ? named : [OWN];
  }

  async refresh() {
    try {
      this.#book = await ask("GET", "extensions");
      setText(find("extensions-note"), "");
    } catch (error) {
      this.#book = null;
      setText(find("extensions-note"), explain(error));
    }
  }

  show(status) {
    if (status.extensions_version !== this.#version) {
      this.#version = status.extensions_version;
      this.refresh();
    }
    const now = new Map(status.extensions.map((it) => [it.name, it]));
    this.#table.update(this.#book ? this.#book.items.map((it) => rowOf(it, now.get(it.extension.name))) : status.extensions);
  }
}

function portsOf({ extension, port, return_port }) {
  if (!extension) return NOTHING;
  return [port ?? say("shared"), ...(return_port ? [return_port] : [])].join(", ");
}

function rowOf({ extension, port, return_port }, now) {
  return {
    name: extension.name, extension, port, return_port, calls: now?.calls ?? 0, refused: now?.refused ?? 0, maximum_calls: extension.max_calls,
    priority: extension.priority, language: extension.language, dialog: extension.dialog.name,
  };
}
