// The live page: follows the server's events and shows them.

import { drain, hangUp, reload } from "./actions.js";
import { showCall, showRecord } from "./call_dialog.js";
import { Calls } from "./calls.js";
import { observe } from "./clock.js";
import { find } from "./element.js";
import { follow } from "./events.js";
import { Extensions } from "./extensions.js";
import { Fleet } from "./fleet.js";
import { showLoss, showState } from "./headline.js";
import { Load } from "./load.js";
import { Plots } from "./plots.js";
import { Records } from "./records.js";
import { openTestCall } from "./test_call.js";
import { askForToken } from "./token_dialog.js";
import { translate } from "./words.js";

const RENDER_MS = 200; // changes of this long are drawn together
const REFRESH_MS = 15_000; // what no event brings

translate();
const calls = new Calls({ show: showCall, hangUp });
const load = new Load();
const fleet = new Fleet();
const extensions = new Extensions();
const plots = new Plots();
const records = new Records(showRecord);
let status = null;
let timer = null;

function render() {
  timer = null;
  calls.render();
  records.render();
  if (!status) return;
  showState(status);
  load.show(status);
  fleet.show(status);
  extensions.show(status);
}

/** Ask for what is there before the first event. */
async function begin() {
  await Promise.allSettled([records.refresh(), refresh()]);
  render();
}

async function refresh() {
  if (!status || document.hidden) return;
  await Promise.allSettled([load.refresh(), extensions.refresh(), plots.refresh()]);
  render();
}

const TAKE = {
  status: (data) => {
    const isFirst = !status;
    status = data;
    if (data.gateway === "up") observe(data.as_of_s);
    if (isFirst) begin();
  },
  call: (data) => calls.seen(data),
  gone: (data) => calls.gone(data.call_id),
  turn: (data) => calls.turn(data.call_id, data.record),
  ended: (data) => records.ended(data),
};

function lose(refusal) {
  status = null;
  showLoss(refusal);
  if (refusal.status === 401) askForToken(refusal.message);
}

find("drain-button").onclick = drain;
find("reload-button").onclick = () => reload(refresh);
find("test-call-button").onclick = () => openTestCall(extensions.names(status));
find("token-button").onclick = () => askForToken();

follow({
  begin: () => calls.clear(),
  take: (name, data) => {
    TAKE[name]?.(data);
    timer ??= setTimeout(render, RENDER_MS);
  },
  lose,
});
setInterval(render, 1000); // durations
setInterval(refresh, REFRESH_MS);
document.addEventListener("visibilitychange", refresh);
