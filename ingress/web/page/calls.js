// Calls that run now.

import { now } from "./clock.js";
import { find, setText } from "./element.js";
import { duration, milliseconds, timeOfDay, whole, NOTHING } from "./formats.js";
import { Table } from "./table.js";
import { say } from "./words.js";

const SHOWN = 200;
const KEPT_TURNS = 50; // of each call
const LATE_MS = 20; // a frame

export class Calls {
  #calls = new Map();
  #turns = new Map();
  #table;
  #opened = null; // the call whose dialog is open, and what updates it

  /** `show(call, turns)` and `hangUp(call)` are what a row's buttons do; `show` returns `update(call, turns)`. */
  constructor({ show, hangUp }) {
    this.#table = new Table(find("calls-table"), {
      caption: say("calls_now"),
      empty: say("no_calls"),
      key: (call) => call.call_id,
      isSorted: 4,
      isDescending: true, // the newest first
      most: SHOWN,
      columns: [
        { title: say("call"), button: (call) => ({
          text: call.call_id.slice(0, 8), label: `${say("call")} ${call.call_id}`,
          press: () => { this.#opened = { callId: call.call_id, update: show(call, this.#turnsOf(call)) }; } }) },
        { title: say("extension"), text: (call) => call.extension, value: (call) => call.extension },
        { title: say("activity"), text: activityOf, value: (call) => call.activity,
          tone: (call) => ({ waiting: "warn", refused: "bad" })[call.activity] ?? "" },
        { title: say("caller"), text: callerOf, value: callerOf },
        { title: say("since"), text: (call) => timeOfDay(call.started_at_s), value: (call) => call.started_at_s },
        { title: say("duration"), isNumber: true, text: (call) => duration(now() - call.started_at_s) },
        { title: say("turns"), isNumber: true, text: (call) => whole(call.turns), value: (call) => call.turns },
        { title: say("last_answer"), isNumber: true, text: (call) => milliseconds(this.#lastAnswer(call)), value: (call) => this.#lastAnswer(call) },
        { title: say("lateness"), isNumber: true, text: (call) => milliseconds(call.lateness_p99_ms), value: (call) => call.lateness_p99_ms,
          tone: (call) => (call.lateness_p99_ms >= LATE_MS ? "bad" : "") },
        { title: say("underruns"), isNumber: true, text: (call) => whole(call.underruns), value: (call) => call.underruns,
          tone: (call) => (call.underruns ? "bad" : "") },
        { title: say("hang_up"), isTitleHidden: true, button: (call) => ({
          text: say("hang_up"), label: `${say("hang_up")} ${call.call_id.slice(0, 8)}`, press: () => hangUp(call) }) },
      ],
    });
    find("calls-filter").addEventListener("input", () => this.render());
  }

  clear() {
    this.#calls.clear();
    this.#turns.clear();
  }

  seen(call) {
    this.#calls.set(call.call_id, call);
  }

  gone(callId) {
    this.#calls.delete(callId);
    this.#turns.delete(callId);
  }

  /** Keep a live call's newest turns. */
  turn(callId, record) {
    if (!this.#calls.has(callId)) return;
    this.#turns.set(callId, [...(this.#turns.get(callId) ?? []).slice(1 - KEPT_TURNS), record]);
  }

  render() {
    const shownCall = this.#calls.get(this.#opened?.callId);
    if (shownCall && !this.#opened.update(shownCall, this.#turnsOf(shownCall))) this.#opened = null;
    const words = find("calls-filter").value.toLowerCase().trim();
    const all = [...this.#calls.values()];
    const found = words ? all.filter((call) => textOf(call).includes(words)) : all;
    this.#table.update(found);
    const shown = Math.min(SHOWN, found.length);
    setText(find("calls-count"), say(shown < all.length ? "calls_shown" : "calls_count", { shown: whole(shown), count: whole(all.length) }));
  }

  #turnsOf(call) {
    return this.#turns.get(call.call_id) ?? [];
  }

  #lastAnswer(call) {
    return this.#turnsOf(call).at(-1)?.first_answer_ms ?? null;
  }
}

function activityOf(call) {
  return [call.activity, call.return_activity].filter(Boolean).map(say).join(" / ");
}

function callerOf(call) {
  return [call.caller_name, call.caller_number].filter(Boolean).join(" ") || NOTHING;
}

function textOf(call) {
  return [call.call_id, call.extension, call.language, call.activity, say(call.activity), callerOf(call), call.peer].join(" ").toLowerCase();
}
