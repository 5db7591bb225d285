// The server's clock: this machine's may be wrong, and a call's length is counted from the server's time.

const TRUSTED_S = 5; // the server's time comes a moment late

let ahead_s = 0;

/** Take a time that is the server's now. */
export function observe(server_s) {
  const difference_s = server_s - Date.now() / 1000;
  ahead_s = Math.abs(difference_s) > TRUSTED_S ? difference_s : 0;
}

/** Return the server's time in seconds since 1970. */
export function now() {
  return Date.now() / 1000 + ahead_s;
}
