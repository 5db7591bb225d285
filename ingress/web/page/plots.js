// The last hour, as plain SVG.

import { draw, find, make, setText } from "./element.js";
import { milliseconds, timeOfDay, whole } from "./formats.js";
import { ask } from "./server.js";
import { say } from "./words.js";

const [SHORTEST_S, LONGEST_S] = [120, 3600]; // the axis grows with the server's age
const [WIDTH, HEIGHT] = [300, 80]; // of the view box; the shown size is the style's

const PLOTS = [
  { key: "plot_calls", lines: ["calls", "waiting_callers"], text: whole },
  { key: "plot_answers", lines: ["turn_p50_ms", "turn_p95_ms"], text: milliseconds },
  { key: "plot_lateness", lines: ["lateness_p99_ms", "lateness_maximum_ms"], text: milliseconds },
  { key: "plot_underruns", lines: ["underruns"], text: whole },
  { key: "plot_refused", lines: ["refused", "failed_turns"], text: whole },
  { key: "plot_level", lines: ["level"], text: whole, least: 3 },
  { key: "plot_transcription", lines: ["transcription_busy", "transcription_slots"], text: whole },
  { key: "plot_synthesis", lines: ["synthesis_busy", "synthesis_slots"], text: whole },
  { key: "plot_lease_wait", lines: ["lease_wait_p95_ms"], text: milliseconds },
];

export class Plots {
  #plots = PLOTS.map((plot) => new Plot(plot));

  constructor() {
    find("plots").append(...this.#plots.map((plot) => plot.element));
  }

  async refresh() {
    const { series } = await ask("GET", "history");
    for (const plot of this.#plots) plot.show(series);
  }
}

class Plot {
  constructor({ key, lines, text, least = 1 }) {
    Object.assign(this, { key, lines, text, least, span_s: LONGEST_S, series: { at_s: [] } });
    this.paths = lines.map((_, index) => draw("path", { class: `line line-${index}` }));
    this.cursor = draw("line", { class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
    this.svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, ...this.paths, this.cursor);
    this.values = lines.map((_, index) => make("span", { className: `value-${index}` }));
    this.top = make("span", { className: "note" });
    this.from = make("span");
    this.to = make("span");
    this.element = make(
      "figure", {},
      make("figcaption", {}, make("strong", { textContent: say(key) }), ...this.values),
      make("div", { className: "plot" }, this.top, this.svg),
      make("div", { className: "axis note", ariaHidden: "true" }, this.from, this.to),
    );
    this.svg.addEventListener("pointermove", (event) => this.#point(event));
    this.svg.addEventListener("pointerleave", () => this.#leave());
  }

  show(series) {
    this.series = series;
    const end_s = series.at_s.at(-1) ?? 0;
    this.span_s = Math.min(LONGEST_S, Math.max(SHORTEST_S, end_s - (series.at_s[0] ?? end_s)));
    const all = this.lines.flatMap((name) => series[name]).filter((value) => value !== null);
    const top = Math.max(this.least, ...all);
    this.lines.forEach((name, index) => this.paths[index].setAttribute("d", path(series.at_s, series[name], { end_s, span_s: this.span_s, top })));
    setText(this.top, this.text(top));
    setText(this.from, timeOfDay(end_s - this.span_s));
    setText(this.to, timeOfDay(end_s));
    const newest = this.lines.map((name) => `${say(name)} ${this.text(series[name].at(-1))}`);
    this.svg.setAttribute("aria-label", say("plot_label", { name: say(this.key), newest: newest.join(", "), top: this.text(top) }));
    this.#leave();
  }

  #point(event) {
    const times = this.series.at_s;
    if (!times.length) return;
    const box = this.svg.getBoundingClientRect();
    const wanted_s = times.at(-1) - this.span_s * (1 - (event.clientX - box.left) / box.width);
    const index = times.reduce((best, at_s, now) => (Math.abs(at_s - wanted_s) < Math.abs(times[best] - wanted_s) ? now : best), 0);
    const x = WIDTH * (1 - (times.at(-1) - times[index]) / this.span_s);
    for (const name of ["x1", "x2"]) this.cursor.setAttribute(name, x);
    this.cursor.setAttribute("visibility", "visible");
    this.#values(index);
    setText(this.to, timeOfDay(times[index]));
  }

  #leave() {
    this.cursor.setAttribute("visibility", "hidden");
    this.#values(this.series.at_s.length - 1);
    setText(this.to, timeOfDay(this.series.at_s.at(-1)));
  }

  #values(index) {
    this.lines.forEach((name, line) => setText(this.values[line], `${say(name)} ${this.text(this.series[name]?.[index])}`));
  }
}

/** Return the path of one line; where nothing was measured it is broken. */
function path(times, values, { end_s, span_s, top }) {
  let pieces = "";
  let isOpen = false;
  values.forEach((value, index) => {
    if (value === null) {
      isOpen = false;
      return;
    }
    const x = (WIDTH * (1 - (end_s - times[index]) / span_s)).toFixed(2);
    const y = (HEIGHT - (HEIGHT - 2) * (value / top) - 1).toFixed(2);
    const isAlone = !isOpen && (values[index + 1] ?? null) === null;
    pieces += `${isOpen ? "L" : "M"}${x} ${y}${isAlone ? "h0.6" : ""}`;
    isOpen = true;
  });
  return pieces;
}
