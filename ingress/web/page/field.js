// A labelled field of a form.

import { make } from "./element.js";

let number = 0;

/** Return an input with its label; `properties` are the input's. */
export function field(label, properties, help = "") {
  const id = `field-${(number += 1)}`;
  const input = properties.options ? choice(properties) : make("input", { type: "text", autocomplete: "off", spellcheck: false, ...properties });
  input.id = id;
  const parts = [make("label", { htmlFor: id, textContent: label }), input];
  if (help) {
    input.setAttribute("aria-describedby", `${id}-help`);
    parts.push(make("p", { id: `${id}-help`, className: "note", textContent: help }));
  }
  return { input, element: make("div", { className: input.type === "checkbox" ? "field check" : "field" }, ...parts) };
}

function choice({ options, value }) {
  const select = make("select", {}, ...options.map(([key, text]) => make("option", { value: key, textContent: text })));
  select.value = value;
  return select;
}
