// The state in one line of plain words, and why.

import { find, setText } from "./element.js";
import { say } from "./words.js";

export function showState(status) {
  const level = status.decision?.level ?? 0;
  if (status.gateway !== "up") set("bad", say("gateway_away"), [status.detail]);
  else if (!status.is_ready) set("bad", say("not_ready"), [status.detail]);
  else if (!status.manager_answers) set("warn", say("manager_away"), []);
  else if (level) set(level > 2 ? "bad" : "warn", say("ready_level", { level: say(`level_${level}`) }), status.decision.reasons);
  else set("good", say("ready"), []);
}

export function showLoss(refusal) {
  if (refusal.status === 401) set("bad", say("needs_token"), []);
  else if (refusal.status === 503) set("warn", say("too_many_streams"), []);
  else set("bad", say("not_connected"), refusal.message ? [refusal.message] : []);
}

function set(state, words, reasons) {
  const headline = find("headline");
  setText(headline, words);
  headline.dataset.state = state;
  setText(find("reasons"), reasons.join("; "));
}
