// A test call: the browser's microphone to an extension, and its answer back.

import { CallAudio } from "./call_audio.js";
import { openDialog } from "./dialogs.js";
import { make, setText } from "./element.js";
import { field } from "./field.js";
import { token } from "./server.js";
import { say } from "./words.js";

const LEVEL_MS = 100;
const MOST_UNSENT_BYTES = 16_000; // a second; the connection is too slow for a call

/** Open the dialog; `names` are the extensions. */
export function openTestCall(names) {
  const extension = field(say("extension"), { options: names.map((name) => [name, name]), value: names[0] });
  const state = make("p", { role: "status" });
  const [said, heard] = ["your_voice", "answer"].map((key) => {
    const meter = make("meter", { min: 0, max: 1, value: 0, id: `level-${key}` });
    return { meter, element: make("div", { className: "field" }, make("label", { htmlFor: meter.id, textContent: say(key) }), meter) };
  });
  const button = make("button", { type: "button", className: "main", textContent: say("call_it") });
  const dialog = openDialog(
    say("test_call"),
    make(
      "div", { className: "stack" }, make("p", { className: "note", textContent: say("test_call_help") }),
      extension.element, said.element, heard.element, state, make("div", { className: "buttons" }, button),
    ),
  );
  let call = null;

  function end(text, isBad) {
    call = null;
    setText(state, text);
    state.className = isBad ? "problem bad" : "";
    extension.input.disabled = false;
    button.textContent = say("call_it");
    for (const { meter } of [said, heard]) meter.value = 0;
  }

  button.onclick = () => {
    if (call) {
      call.close();
      return;
    }
    state.className = "";
    setText(state, say("calling"));
    extension.input.disabled = true;
    button.textContent = say("hang_up");
    call = new TestCall(extension.input.value, {
      connected: () => setText(state, say("connected")),
      levels: (values) => [said, heard].forEach(({ meter }, index) => { meter.value = values[index]; }),
      ended: end,
    });
  };
  dialog.addEventListener("close", () => call?.close());
}

class TestCall {
  #audio = new CallAudio();
  #isOver = false;

  constructor(extension, tell) {
    this.tell = tell;
    this.#begin(extension).catch((error) => this.#end(reasonOf(error), true));
  }

  close() {
    this.#end(say("call_over"), false);
  }

  async #begin(extension) {
    await this.#audio.open((frame) => this.#send(frame));
    if (this.#isOver) {
      this.#audio.close();
      return;
    }
    const url = new URL(`api/v1/test-call?extension=${encodeURIComponent(extension)}`, document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url, ["raymal", ...(token() ? [`token.${token()}`] : [])]);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.tell.connected();
    this.socket.onmessage = ({ data }) => this.#audio.play(data);
    this.socket.onclose = ({ code, reason }) =>
      this.#end(code === 1000 ? say("call_over") : reason || say("call_failed"), code !== 1000);
    this.timer = setInterval(() => this.tell.levels(this.#audio.levels()), LEVEL_MS);
  }

  #send(frame) {
    if (this.socket?.readyState === WebSocket.OPEN && this.socket.bufferedAmount < MOST_UNSENT_BYTES) this.socket.send(frame);
  }

  #end(text, isBad) {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.timer);
    this.#audio.close();
    this.socket?.close(1000);
    this.tell.ended(text, isBad);
  }
}

function reasonOf(error) {
  const known = { insecure: "no_microphone_here", NotAllowedError: "microphone_refused", NotFoundError: "no_microphone" };
  const key = known[error.message] ?? known[error.name];
  return key ? say(key) : error.message;
}
