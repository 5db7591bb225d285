// One call: what was measured of it, and its turns with their stages.

import { openDialog } from "./dialogs.js";
import { make } from "./element.js";
import { Facts } from "./facts.js";
import { duration, milliseconds, timeOfDay, whole, NOTHING } from "./formats.js";
import { Table } from "./table.js";
import { say } from "./words.js";

const STAGES = [
  ["endpoint_wait", (turn) => turn.endpoint_wait_ms],
  ["lease_wait", (turn) => turn.stages.lease_wait_ms],
  ["transcription", (turn) => turn.stages.transcription_ms],
  ["dialog", (turn) => turn.stages.dialog_ms],
  ["synthesis", (turn) => turn.stages.synthesis_ms],
  ["link", (turn) => turn.link_ms],
  ["playout_wait", (turn) => turn.playout_wait_ms],
];

/** Open the dialog of a call that runs; return what shows it anew: `update(call, turns)`, false once it is closed. */
export function showCall(call, turns) {
  const dialog = new CallDialog();
  const update = (newest, ended) => dialog.show(newest, ended, [
    [say("activity"), say(newest.activity)],
    [say("return_leg"), newest.return_activity === null ? "" : say(newest.return_activity)],
    [say("since"), timeOfDay(newest.started_at_s)],
    [say("language"), newest.language],
    [say("priority"), newest.priority],
    [say("caller"), [newest.caller_name, newest.caller_number].filter(Boolean).join(" ")],
    [say("peer"), newest.peer],
    [say("turns"), whole(newest.turns)],
    [say("caller_level"), newest.level_dbfs === null ? "" : `${whole(newest.level_dbfs)} dBFS`],
    [say("lateness"), milliseconds(newest.lateness_p99_ms)],
    [say("lateness_maximum"), milliseconds(newest.lateness_maximum_ms)],
    [say("underruns"), whole(newest.underruns)],
  ]);
  update(call, turns);
  return update;
}

/** Show the record of a call that is over. */
export function showRecord(record) {
  new CallDialog().show(record, [...record.turns, ...(record.unfinished ? [record.unfinished] : [])], [
    [say("result"), [say(`result_${record.outcome.result}`), record.outcome.target, record.outcome.reason].filter(Boolean).join(", ")],
    [say("end_reason"), record.end_reason],
    [say("duration"), duration(record.duration_s)],
    [say("priority"), record.priority],
    [say("turns"), whole(record.turns_taken)],
    [say("interruptions"), whole(record.interruptions)],
    [say("lateness"), milliseconds(record.lateness.p99_ms)],
    [say("lateness_maximum"), milliseconds(record.lateness.maximum_ms)],
    [say("longest_gap"), milliseconds(record.longest_gap_ms)],
    [say("underruns"), whole(record.underruns)],
  ]);
}

class CallDialog {
  constructor() {
    const [list, table] = [make("div"), make("div")];
    this.dialog = openDialog(say("call"), list, make("h3", { textContent: say("turns") }), table);
    this.dialog.classList.add("wide");
    this.facts = new Facts(list);
    this.table = new Table(table, {
      caption: say("turns"),
      empty: say("no_turns"),
      key: (turn) => turn.turn,
      columns: [
        { title: say("turn"), isNumber: true, text: (turn) => whole(turn.turn) },
        { title: say("kind"), text: kindOf },
        { title: say("answer_after"), isNumber: true, text: (turn) => milliseconds(turn.first_answer_ms) },
        ...STAGES.map(([name, value]) => ({ title: say(name), isNumber: true, text: (turn) => milliseconds(value(turn)) })),
        { title: say("underruns"), isNumber: true, text: (turn) => whole(turn.underruns), tone: (turn) => (turn.underruns ? "bad" : "") },
        { title: say("remark"), isLong: true, text: remark },
        { title: say("heard"), isLong: true, text: (turn) => turn.heard ?? NOTHING },
        { title: say("answered"), isLong: true, text: (turn) => turn.answered ?? NOTHING },
      ],
    });
  }

  /** Return whether the dialog is still open. */
  show(call, turns, facts) {
    if (!this.dialog.open) return false;
    this.facts.show([[say("uuid"), call.call_id], [say("extension"), call.extension], ...facts]);
    this.table.update(turns);
    return true;
  }
}

function remark(turn) {
  return [
    turn.failure ?? turn.transcription_failure,
    !turn.was_understood && !turn.transcription_failure ? `${say("no_words")}${turn.doubt ? ` (${turn.doubt})` : ""}` : "",
    turn.was_interrupted ? say("interrupted") : "",
    turn.was_overtaken ? say("overtaken") : "",
    turn.was_ahead ? say("ahead") : "",
  ].filter(Boolean).join("; ");
}

function kindOf(turn) {
  const kind = say(`kind_${turn.kind}`);
  return turn.leg === "caller" ? kind : `${kind} (${say("return_leg").toLowerCase()})`;
}
