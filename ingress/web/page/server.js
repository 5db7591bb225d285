// Requests to this server, with the token that the operator has entered in this tab.

const PLACE = "raymal.token";

/** Return the token; empty: none was entered. */
export function token() {
  return sessionStorage.getItem(PLACE) ?? "";
}

/** Keep the token for this tab; empty: forget it. */
export function keepToken(text) {
  if (text) sessionStorage.setItem(PLACE, text);
  else sessionStorage.removeItem(PLACE);
}

/** What the server, or the lack of one, said: `message` is for people. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Ask; return the response if it is a good one. Raises Refusal; status 0: no server answered. */
export async function request(method, path, body, signal) {
  const headers = {};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`api/v1/${path}`, {
      method, headers, signal, cache: "no-store", credentials: "omit",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal(0, "");
  }
  if (!response.ok) throw new Refusal(response.status, await problem(response));
  return response;
}

/** Ask for JSON. */
export async function ask(method, path, body) {
  return (await request(method, path, body, AbortSignal.timeout(10_000))).json();
}

/** Return the problem details (RFC 9457) as lines. */
async function problem(response) {
  try {
    const details = await response.json();
    const places = (details.errors ?? []).map(({ where, problem: what }) => `${where}: ${what}`);
    return [...new Set([...(details.detail || details.title).split("\n"), ...places])].join("\n");
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}
