// DOM elements. Text that came from elsewhere only ever becomes a text node.

const SVG = "http://www.w3.org/2000/svg";

/** Return the element with this id. */
export function find(id) {
  return document.getElementById(id);
}

/** Return a new element: `properties` are DOM properties, `children` elements or text. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** Return a new SVG element. */
export function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Set an element's text, and leave the document alone if it is that already. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
