// The server's events. EventSource cannot send a token, so the stream is read by fetch
// (format: WHATWG HTML, "Server-sent events").

import { Refusal, request } from "./server.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const SILENCE_MS = 40_000; // the server sends a comment every 15 s

let stopCurrent = () => {};

/** Begin anew at once, as when the token has changed. */
export function reconnect() {
  stopCurrent();
}

/** Follow the events for ever: `take(name, data)` gets each, `lose(refusal)` is called when there are none. */
export async function follow({ begin, take, lose }) {
  let wait_ms = FIRST_WAIT_MS;
  for (;;) {
    const stopper = new AbortController();
    let wake = () => {};
    let isReplaced = false;
    stopCurrent = () => { isReplaced = true; stopper.abort(); wake(); };
    let refusal = new Refusal(0, "");
    try {
      const response = await request("GET", "events", undefined, stopper.signal);
      wait_ms = FIRST_WAIT_MS;
      begin();
      await read(response.body, stopper, take);
    } catch (error) {
      if (error instanceof Refusal) refusal = error;
      else if (!stopper.signal.aborted) console.warn(error.message);
    }
    if (isReplaced) continue;
    lose(refusal);
    await new Promise((resolve) => {
      wake = resolve;
      // A wrong token does not become right. Otherwise: many pages do not come back at once.
      if (refusal.status !== 401) setTimeout(resolve, wait_ms * (0.75 + Math.random() / 2));
    });
    wait_ms = Math.min(LONGEST_WAIT_MS, wait_ms * 2);
  }
}

async function read(body, stopper, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const timer = setTimeout(() => stopper.abort(), SILENCE_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    const parts = (waiting + value).split("\n\n");
    waiting = parts.pop();
    for (const part of parts) dispatch(part, take);
  }
}

function dispatch(part, take) {
  let name = "message";
  const data = [];
  for (const line of part.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  if (data.length) take(name, JSON.parse(data.join("\n")));
}
