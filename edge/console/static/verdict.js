// The first thing on every page: is something wrong, and what. Worst first.

import { moment, percent, stateOf } from "./format.js";
import { said, t } from "./i18n.js";

const WORST_FIRST = ["ejected", "suspected", "probation", "off", "draining"];
const LEVELS = { ejected: "bad", suspected: "warn", probation: "warn", off: "note", draining: "note" };
const MOST = 4;

/** Sentences: {level: good | note | warn | bad, text}. `told`: the lines; `alerts`: those that fire. */
export function verdict(told, alerts) {
  const found = [];
  if (told.is_panic) found.push({ level: "bad", text: t("verdict.panic") });
  for (const state of WORST_FIRST) {
    for (const line of told.lines) if (stateOf(line) === state) found.push({ level: LEVELS[state], text: about(line, state) });
  }
  if (told.workers.length < told.workers_expected) {
    found.push({ level: "warn", text: t("verdict.workers", { n: told.workers.length, of: told.workers_expected }) });
  }
  for (const alert of alerts) {
    const level = alert.severity === "critical" ? "bad" : "warn";
    found.push({ level, text: t("verdict.alert", { rule: alert.rule, subject: alert.subject || t("verdict.node") }) });
  }
  return found.length ? shorten(found, told) : [{ level: "good", text: fine(told) }];
}

function fine(told) {
  const requests = told.lines.reduce((sum, line) => sum + line.requests_60s, 0);
  return `${t("verdict.fine", { n: told.lines.length })} ${t("verdict.requests", { n: requests })}`;
}

function shorten(found, told) {
  const rest = told.lines.filter((line) => stateOf(line) === "admitted").length;
  const kept = found.slice(0, MOST);
  if (found.length > MOST) kept.push({ level: "note", text: t("verdict.more", { n: found.length - MOST }) });
  if (rest && rest < told.lines.length) kept[kept.length - 1].text += ` ${t("verdict.rest", { n: rest })}`;
  return kept;
}

function about(line, state) {
  const facts = [];
  const loss = line.loss?.ratio_60s;
  if (loss) facts.push(t("verdict.loss", { loss: percent(loss) }));
  if (line.reason && ["ejected", "suspected", "probation"].includes(state)) facts.push(said("reason", line.reason));
  if (state === "draining") facts.push(t("verdict.under_way", { n: line.in_flight }));
  const since = line.since && state !== "draining" && state !== "off" ? t("verdict.since", { at: moment(line.since) }) : "";
  return t("verdict.line", { id: line.id, state: t(`verdict.${state}`), since, facts: facts.length ? ` (${facts.join(", ")})` : "" });
}
