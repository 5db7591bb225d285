// Dialogs: native ones, so that focus goes in, stays in, and comes back.

import { make } from "./element.js";
import { Refusal } from "./server.js";
import { say } from "./words.js";

let number = 0;

/** Open a dialog with this content; return it. It is removed when it is closed. */
export function openDialog(title, ...content) {
  const close = make("button", { type: "button", className: "close", textContent: say("close") });
  const heading = make("h2", { id: `dialog-${(number += 1)}`, textContent: title });
  const dialog = make("dialog", { "aria-labelledby": heading.id }, make("div", { className: "title" }, heading, close), ...content);
  close.onclick = () => dialog.close();
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Open a dialog that does something: `act()` is awaited when the button is pressed. The dialog closes when
 * it is done, or shows the text that it returns; a refusal is shown and the dialog stays.
 */
export function openForm({ title, content = [], button, isDanger = false, act }) {
  const problem = make("p", { role: "alert", className: "problem bad" });
  const submit = make("button", { type: "submit", className: isDanger ? "danger" : "main", textContent: button });
  const form = make("form", { noValidate: false }, ...content, problem, make("div", { className: "buttons" }, submit));
  const dialog = openDialog(title, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    problem.textContent = "";
    try {
      const outcome = await act();
      if (!outcome) {
        dialog.close();
        return;
      }
      form.replaceChildren(make("p", { role: "status", textContent: outcome }));
      dialog.querySelector(".close").focus();
    } catch (error) {
      problem.textContent = explain(error);
      submit.disabled = false;
      submit.focus();
    }
  });
  return dialog;
}

/** Return what a person has to know of an error. */
export function explain(error) {
  if (!(error instanceof Refusal)) return error.message;
  return error.status === 0 ? say("no_answer") : error.message;
}
