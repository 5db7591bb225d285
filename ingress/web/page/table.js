// A table whose rows are kept by key: what has not changed is not touched, and focus stays where it is.

import { make, setText } from "./element.js";

export class Table {
  /**
   * columns: `{title, text(row), value(row)?, isNumber?, isLong?, button(row)?, isTitleHidden?, tone(row)?}`; with `value`
   * it can be sorted; with `button` it holds one, `{text, label, isHidden?, press}`.
   */
  constructor(place, { caption, columns, key, empty, isSorted = -1, isDescending = false, most = Infinity }) {
    this.columns = columns;
    this.key = key;
    this.sortBy = isSorted;
    this.isDescending = isDescending;
    this.most = most;
    this.rows = [];
    this.lines = new Map();
    this.heads = columns.map((column, index) => this.#head(column, index));
    this.body = make("tbody");
    this.empty = make("tr", {}, make("td", { colSpan: columns.length, className: "empty", textContent: empty }));
    const table = make(
      "table", {}, make("caption", { className: "hidden", textContent: caption }),
      make("thead", {}, make("tr", {}, ...this.heads)), this.body,
    );
    place.append(make("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: caption }, table));
    this.update([]);
  }

  #head(column, index) {
    const head = make("th", { scope: "col", className: column.isNumber ? "number" : "" });
    if (!column.value) {
      head.append(make("span", { className: column.isTitleHidden ? "hidden" : "", textContent: column.title }));
      return head;
    }
    head.append(make("button", { type: "button", textContent: column.title, onclick: () => this.#sort(index) }));
    return head;
  }

  #sort(index) {
    this.isDescending = this.sortBy === index && !this.isDescending;
    this.sortBy = index;
    this.update(this.rows);
  }

  /** Show these rows, `most` of them in their order; two with the same key are not allowed. */
  update(rows) {
    this.rows = rows;
    const focused = document.activeElement;
    const shown = this.#ordered(rows).slice(0, this.most);
    const kept = new Set(shown.map(this.key));
    for (const [key, line] of this.lines) {
      if (!kept.has(key)) {
        line.element.remove();
        this.lines.delete(key);
      }
    }
    this.empty.remove();
    if (!shown.length) this.body.append(this.empty);
    let place = this.body.firstChild;
    for (const row of shown) {
      const element = this.#line(row);
      if (element === place) place = place.nextSibling;
      else this.body.insertBefore(element, place);
    }
    if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
    this.heads.forEach((head, index) => {
      if (!this.columns[index].value) return;
      const order = this.isDescending ? "descending" : "ascending";
      head.ariaSort = index === this.sortBy ? order : "none";
    });
  }

  #ordered(rows) {
    const value = this.columns[this.sortBy]?.value;
    if (!value) return rows;
    const sign = this.isDescending ? -1 : 1;
    return [...rows].sort((one, other) => sign * compare(value(one), value(other)));
  }

  #line(row) {
    let line = this.lines.get(this.key(row));
    if (!line) {
      const cells = this.columns.map((column) =>
        make("td", { className: column.isNumber ? "number" : column.isLong ? "long" : "" }));
      line = { element: make("tr", {}, ...cells), cells, row };
      this.columns.forEach((column, index) => {
        if (column.button) cells[index].append(make("button", { type: "button", onclick: () => column.button(line.row).press() }));
      });
      this.lines.set(this.key(row), line);
    }
    line.row = row;
    this.columns.forEach((column, index) => this.#fill(column, line.cells[index], row));
    return line.element;
  }

  #fill(column, cell, row) {
    if (column.button) {
      const { text, label, isHidden = false } = column.button(row);
      setText(cell.firstChild, text);
      cell.firstChild.hidden = isHidden;
      if (cell.firstChild.ariaLabel !== label) cell.firstChild.ariaLabel = label;
      return;
    }
    setText(cell, column.text(row));
    if (column.tone) {
      const tone = `${column.isNumber ? "number " : ""}${column.tone(row)}`;
      if (cell.className !== tone) cell.className = tone;
    }
  }
}

function compare(one, other) {
  if (one === other) return 0;
  if (one === null || one === undefined) return 1;
  if (other === null || other === undefined) return -1;
  return one < other ? -1 : 1;
}
