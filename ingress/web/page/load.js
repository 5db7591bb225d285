// The ladder with its reasons and history; who waits, who was refused; the cache.

import { clearCache } from "./actions.js";
import { find, make } from "./element.js";
import { Facts, fillList } from "./facts.js";
import { ago, megabytes, percent, seconds, whole } from "./formats.js";
import { ask } from "./server.js";
import { say } from "./words.js";

const LEVELS = ["normal", "busy", "loaded", "full"];

export class Load {
  #cache = null;

  constructor() {
    const place = find("load-body");
    this.steps = LEVELS.map((_, level) => make("li", { textContent: say(`level_${level}`) }));
    this.reasons = make("ul");
    this.history = make("ol", { className: "history", tabIndex: 0, ariaLabel: say("level_history") });
    this.noHistory = make("p", { className: "note", textContent: say("no_changes") });
    place.append(make("ol", { className: "ladder", ariaLabel: say("levels") }, ...this.steps), this.reasons);
    this.facts = new Facts(place);
    const clear = make("button", { type: "button", textContent: say("clear_cache"), onclick: () => clearCache(() => this.refresh()) });
    place.append(clear, make("h3", { textContent: say("level_history") }), this.noHistory, this.history);
  }

  /** Ask for what no event brings. */
  async refresh() {
    try {
      this.#cache = await ask("GET", "cache");
    } catch {
      this.#cache = null; // the headline says that the server is away
    }
  }

  show(status) {
    const { decision, fleet, recent } = status;
    const level = decision?.level ?? 0;
    this.steps.forEach((step, index) => {
      if (index === level) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
    fillList(this.reasons, [...(decision?.reasons ?? []), ...(fleet?.problems ?? [])]);
    const refusals = Object.entries(fleet?.admission.refused ?? {}).map(([reason, count]) => `${reason}: ${whole(count)}`);
    const refusedHere = status.extensions.reduce((sum, extension) => sum + extension.refused, 0);
    const sentences = status.cache_hits + status.cache_misses;
    this.facts.show([
      [say("calls"), whole(status.calls)],
      [say("capacity"), fleet?.admission.capacity ? say("of_capacity", { calls: whole(fleet.admission.calls), capacity: whole(fleet.admission.capacity) }) : null],
      [say("waiting_callers"), status.waiting_callers ? say("waiting_longest", { count: whole(status.waiting_callers), seconds: seconds(status.longest_wait_s) }) : whole(0), status.waiting_callers ? "warn" : ""],
      [say("refused_calls"), [whole(refusedHere), ...refusals].join("; "), refusedHere ? "warn" : ""],
      [say("recent_turns"), say("turns_failed", { turns: whole(recent.turns), failed: whole(recent.failed), without: whole(recent.without_words) }), recent.failed ? "warn" : ""],
      [say("failures"), counts(recent.problems), "warn"],
      [say("unmade_phrases"), counts(status.unmade_phrases), "warn"],
      [say("dropped_records"), status.dropped_records ? whole(status.dropped_records) : null, "bad"],
      [say("frame"), decision ? `${decision.frame_ms} ms` : null],
      [say("machine"), fleet ? say("cpu_memory", { cpu: percent(fleet.cpu_percent), memory: percent(fleet.memory_percent) }) : null],
      [say("cached_sentences"), sentences ? say("hits_of", { hits: whole(status.cache_hits), all: whole(sentences), share: percent((100 * status.cache_hits) / sentences) }) : whole(0)],
      [say("cache_disk"), this.#cache ? say("cache_size", { files: whole(this.#cache.files), size: megabytes(this.#cache.bytes), limit: megabytes(this.#cache.capacity_bytes) }) : null],
    ]);
    this.noHistory.hidden = status.level_changes.length > 0;
    fillList(this.history, status.level_changes.map((change) =>
      say("level_change", {
        ago: ago(change.age_s),
        before: levelName(change.before),
        level: levelName(change.level),
        reasons: change.reasons.join("; "),
      }).replace(/: $/, "")));
  }
}

function levelName(name) {
  const level = LEVELS.indexOf(name.toLowerCase());
  return level < 0 ? name : say(`level_${level}`).split(":")[0];
}

function counts(tally) {
  return Object.entries(tally).map(([reason, count]) => `${reason}: ${whole(count)}`).join("; ");
}
