// Figures for people. What isn't known is a dash, never a nought.

import { knows, language, said, t } from "./i18n.js";

export const UNKNOWN = "–";

const known = (value) => value !== null && value !== undefined;

export function number(value, digits = 0) {
  return known(value) ? value.toLocaleString(language, { maximumFractionDigits: digits, minimumFractionDigits: 0 }) : UNKNOWN;
}

/** Always with two digits behind the point. */
export const score = (value) => (known(value) ? value.toLocaleString(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : UNKNOWN);

export const ms = (value) => (known(value) ? `${plainMs(value)} ms` : UNKNOWN);

export function plainMs(value) {
  if (!known(value)) return UNKNOWN;
  return value >= 100 ? number(value) : value >= 1 ? number(value, 1) : number(value, 2);
}

export function percent(ratio) {
  if (!known(ratio)) return UNKNOWN;
  const value = ratio * 100;
  return `${number(value, value >= 10 || value === 0 ? 0 : value >= 1 ? 1 : 2)} %`;
}

export function rate(bps) {
  if (!known(bps)) return UNKNOWN;
  if (bps >= 1e6) return `${number(bps / 1e6, bps >= 1e7 ? 0 : 1)} Mbit/s`;
  return bps >= 1000 ? `${number(bps / 1000)} kbit/s` : `${number(bps)} bit/s`;
}

export function bytes(value) {
  if (!known(value)) return UNKNOWN;
  for (const [size, unit] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) if (value >= size) return `${number(value / size, 1)} ${unit}`;
  return `${number(value)} B`;
}

export const money = (value) => (known(value) ? number(value, value >= 100 ? 0 : value >= 1 ? 2 : 4) : UNKNOWN);

const asDate = (at) => (typeof at === "number" ? new Date(at * 1000) : new Date(at));

export const clock = (at, seconds = true) =>
  asDate(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}) });

export const day = (at) => asDate(at).toLocaleDateString(language, { weekday: "short", month: "short", day: "numeric" });

/** The time of day, with the day if it isn't today. */
export function moment(at, seconds = false) {
  const date = asDate(at);
  return date.toDateString() === new Date().toDateString() ? clock(at, seconds) : `${day(at)} ${clock(at, seconds)}`;
}

export function lasting(seconds) {
  for (const [size, unit] of [[86400, "days"], [3600, "hours"], [60, "minutes"]]) {
    if (seconds >= 2 * size) return t(`time.${unit}`, { n: number(Math.floor(seconds / size)) });
  }
  return t("time.seconds", { n: number(Math.floor(seconds)) });
}

/** The word that matters most of a line: the operator's, then what is measured. */
export function stateOf(line) {
  if (line.in_effect !== "on") return line.in_effect;
  return line.suspected && line.standing === "admitted" ? "suspected" : line.standing;
}

/** Why, in the reader's language. `parts`: the node's sentences as codes with arguments; without them (events of before)
    the node's own words, in which only codes can be translated. */
export function because(text, parts) {
  return parts?.length ? parts.map(one).join(t("list.semicolon")) : said("reason", text);
}

function one({ code, args }) {
  const told = Object.fromEntries(Object.entries(args).map(([name, value]) => [name, Array.isArray(value) ? because("", value) : value]));
  return knows(`reason.${code}`) ? t(`reason.${code}`, told) : code;
}

/** Why a request went where it went. */
export function story(parts) {
  return parts.map(({ code, args }) => t(`why.part.${code}`, {
    ...args, term: said("term", args.term), why: because(args.why, args.why_parts), note: because(args.note, args.note_parts),
  })).join("");
}

export const stateWord = (state) => said("state", state);
