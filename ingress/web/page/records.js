// Calls that are over, the newest first.

import { find } from "./element.js";
import { duration, milliseconds, whole } from "./formats.js";
import { ask } from "./server.js";
import { Table } from "./table.js";
import { say } from "./words.js";

const KEPT = 100;

export class Records {
  #records = [];
  #table;

  /** `show(record)` is what a row's button does. */
  constructor(show) {
    this.#table = new Table(find("records-table"), {
      caption: say("recent_calls"),
      empty: say("no_records"),
      key: (record) => record.record_id,
      columns: [
        { title: say("call"), button: (record) => ({
          text: record.call_id.slice(0, 8), label: `${say("call")} ${record.call_id}`, press: () => show(record) }) },
        { title: say("extension"), text: (record) => record.extension, value: (record) => record.extension },
        { title: say("result"), text: (record) => say(`result_${record.outcome.result}`), value: (record) => record.outcome.result,
          tone: (record) => ({ failed: "bad", refused: "warn" })[record.outcome.result] ?? "" },
        { title: say("end_reason"), isLong: true, text: (record) => record.end_reason, value: (record) => record.end_reason },
        { title: say("duration"), isNumber: true, text: (record) => duration(record.duration_s), value: (record) => record.duration_s },
        { title: say("turns"), isNumber: true, text: (record) => whole(record.turns_taken), value: (record) => record.turns_taken },
        { title: say("slowest_answer"), isNumber: true, text: (record) => milliseconds(slowest(record)), value: slowest },
        { title: say("lateness"), isNumber: true, text: (record) => milliseconds(record.lateness.p99_ms), value: (record) => record.lateness.p99_ms },
        { title: say("underruns"), isNumber: true, text: (record) => whole(record.underruns), value: (record) => record.underruns,
          tone: (record) => (record.underruns ? "bad" : "") },
      ],
    });
  }

  ended(record) {
    this.#records = [record, ...this.#records.filter((it) => it.record_id !== record.record_id)].slice(0, KEPT);
  }

  /** Begin anew with what the server has; what ends meanwhile stays. */
  async refresh() {
    this.#records = [];
    const known = (await ask("GET", `records?limit=${KEPT}`)).items;
    const names = new Set(known.map((record) => record.record_id));
    this.#records = [...this.#records.filter((record) => !names.has(record.record_id)), ...known].slice(0, KEPT);
  }

  render() {
    this.#table.update(this.#records);
  }
}

function slowest(record) {
  const answers = record.turns.map((turn) => turn.first_answer_ms).filter((answer) => answer !== null);
  return answers.length ? Math.max(...answers) : null;
}
