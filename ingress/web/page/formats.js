// Numbers, times and durations as people read them.

import { LANGUAGE } from "./words.js";

const REGION = navigator.language.toLowerCase().startsWith(LANGUAGE.slice(0, 2)) ? navigator.language : LANGUAGE;
const WHOLE = new Intl.NumberFormat(REGION, { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat(REGION, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const AGO = new Intl.RelativeTimeFormat(REGION, { numeric: "always" });
const TIME = new Intl.DateTimeFormat(REGION, { timeStyle: "medium" });

export const NOTHING = "–";

/** Return a whole number. */
export function whole(value) {
  return value === null || value === undefined ? NOTHING : WHOLE.format(value);
}

/** Return milliseconds, with tenths when there are few. */
export function milliseconds(value) {
  if (value === null || value === undefined) return NOTHING;
  return `${value < 10 ? TENTHS.format(value) : WHOLE.format(value)} ms`;
}

/** Return the time of day of seconds since 1970. */
export function timeOfDay(seconds) {
  return seconds === null || seconds === undefined ? NOTHING : TIME.format(new Date(seconds * 1000));
}

/** Return a length of time as minutes and seconds, or hours. */
export function duration(seconds) {
  const all = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(all / 3600);
  const rest = `${two(Math.floor(all / 60) % 60)}:${two(all % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

/** Return bytes in MB. */
export function megabytes(value) {
  return `${TENTHS.format(value / 1e6)} MB`;
}

/** Return a share of 100. */
export function percent(value) {
  return `${WHOLE.format(value)} %`;
}

/** Return a short time. */
export function seconds(value) {
  return `${TENTHS.format(value)} s`;
}

/** Return how long ago something was. */
export function ago(passed_s) {
  for (const [unit, unit_s] of [["hour", 3600], ["minute", 60], ["second", 1]]) {
    if (passed_s >= unit_s || unit === "second") return AGO.format(-Math.floor(passed_s / unit_s), unit);
  }
  return NOTHING;
}
