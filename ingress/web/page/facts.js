// A list of names and values that is filled anew without being built anew.

import { make, setText } from "./element.js";

export class Facts {
  constructor(place) {
    this.list = make("dl");
    this.values = new Map();
    place.append(this.list);
  }

  /** Show `[name, text, tone?]`; an empty or null text leaves the line out. */
  show(facts) {
    const wanted = facts.filter(([, text]) => text !== null && text !== "");
    const names = wanted.map(([name]) => name);
    if (names.join("\n") !== [...this.values.keys()].join("\n")) {
      this.values = new Map(names.map((name) => [name, make("dd")]));
      this.list.replaceChildren(...[...this.values].flatMap(([name, value]) => [make("dt", { textContent: name }), value]));
    }
    for (const [name, text, tone] of wanted) {
      const value = this.values.get(name);
      setText(value, text);
      if (value.className !== (tone ?? "")) value.className = tone ?? "";
    }
  }
}

/** Make `list` hold one item for each text. */
export function fillList(list, texts) {
  while (list.children.length > texts.length) list.lastChild.remove();
  texts.forEach((text, index) => {
    const item = list.children[index] ?? list.appendChild(make("li"));
    setText(item, text);
  });
}
