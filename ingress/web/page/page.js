// The live page: follows the server's events and shows them.

import { Calls } from "./calls.js";
import { follow } from "./events.js";
import { showLoss, showState } from "./headline.js";
import { translate } from "./words.js";

const RENDER_MS = 200; // changes of this long are drawn together

translate();
const calls = new Calls({ show: () => {}, hangUp: () => {} });
let status = null;
let timer = null;

function render() {
  timer = null;
  if (status) showState(status);
  calls.render();
}

function renderSoon() {
  timer ??= setTimeout(render, RENDER_MS);
}

const TAKE = {
  status: (data) => { status = data; },
  call: (data) => calls.seen(data),
  gone: (data) => calls.gone(data.call_id),
  turn: (data) => calls.turn(data.call_id, data.record),
  ended: () => {},
  level: () => {},
};

follow({
  begin: () => calls.clear(),
  take: (name, data) => { TAKE[name]?.(data); renderSoon(); },
  lose: (refusal) => { status = null; showLoss(refusal); },
});
setInterval(render, 1000);
