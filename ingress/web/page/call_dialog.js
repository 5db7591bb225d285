// One call: what was measured of it, and its turns with their stages.

import { openDialog } from "./dialogs.js";
import { make } from "./element.js";
import { Facts } from "./facts.js";
import { duration, milliseconds, timeOfDay, whole } from "./formats.js";
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

/** Show a call that runs, and the turns that ended while this page was open. */
export function showCall(call, turns) {
  show(call, turns, [
    [say("activity"), say(call.activity)],
    [say("since"), timeOfDay(call.started_at_s)],
    [say("language"), call.language],
    [say("priority"), call.priority],
    [say("caller"), [call.caller_name, call.caller_number].filter(Boolean).join(" ")],
    [say("peer"), call.peer],
    [say("turns"), whole(call.turns)],
    [say("caller_level"), call.level_dbfs === null ? "" : `${whole(call.level_dbfs)} dBFS`],
    [say("lateness"), milliseconds(call.lateness_p99_ms)],
    [say("lateness_maximum"), milliseconds(call.lateness_maximum_ms)],
    [say("underruns"), whole(call.underruns)],
  ]);
}

/** Show the record of a call that is over. */
export function showRecord(record) {
  show(record, [...record.turns, ...(record.unfinished ? [record.unfinished] : [])], [
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

function show(call, turns, facts) {
  const [list, table] = [make("div"), make("div")];
  new Facts(list).show([[say("uuid"), call.call_id], [say("extension"), call.extension], ...facts]);
  openDialog(say("call"), list, make("h3", { textContent: say("turns") }), table).classList.add("wide");
  const used = STAGES.filter(([, value]) => turns.some((turn) => value(turn) !== null));
  const words = ["heard", "answered"].filter((name) => turns.some((turn) => turn[name]));
  const columns = [
    { title: say("turn"), isNumber: true, text: (turn) => whole(turn.turn) },
    { title: say("kind"), text: (turn) => say(`kind_${turn.kind}`) },
    { title: say("answer_after"), isNumber: true, text: (turn) => milliseconds(turn.first_answer_ms) },
    ...used.map(([name, value]) => ({ title: say(name), isNumber: true, text: (turn) => milliseconds(value(turn)) })),
    { title: say("underruns"), isNumber: true, text: (turn) => whole(turn.underruns), tone: (turn) => (turn.underruns ? "bad" : "") },
    { title: say("remark"), isLong: true, text: remark },
    ...words.map((name) => ({ title: say(name), isLong: true, text: (turn) => turn[name] ?? "" })),
  ];
  new Table(table, { caption: say("turns"), empty: say("no_turns"), key: (turn) => turn.turn, columns }).update(turns);
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
