// The first thing on every page: is something wrong, and what. Worst first.

import { because, moment, percent, stateOf } from "./format.js";
import { t } from "./i18n.js";

const WORST_FIRST = ["ejected", "suspected", "probation", "off", "draining"];
const LEVELS = { ejected: "bad", suspected: "warn", probation: "warn", off: "note", draining: "note" };
const MOST = 4;

/** Sentences: {level: good | note | warn | bad, text}. `told`: the lines; `alerts`: those that fire; `out`: since when a
    line is out, which its standing, changing between ejected and on probation, doesn't tell. */
export function verdict(told, alerts, out) {
  const found = [];
  if (told.is_panic) found.push({ level: "bad", text: t("verdict.panic") });
  for (const state of WORST_FIRST) {
    for (const line of told.lines) if (stateOf(line) === state) found.push({ level: LEVELS[state], text: about(line, state, out) });
  }
  const rest = told.lines.filter((line) => stateOf(line) === "admitted").length;
  if (found.length && rest && rest < told.lines.length) found.at(-1).text += t("list.space") + t("verdict.rest", { n: rest });
  if (told.workers.length < told.workers_expected) {
    found.push({ level: "warn", text: t("verdict.workers", { n: told.workers.length, of: told.workers_expected }) });
  }
  const toldOf = new Set(told.lines.filter((line) => stateOf(line) !== "admitted").map((line) => line.id));
  for (const alert of alerts.filter((each) => !toldOf.has(each.subject))) {
    const level = alert.severity === "critical" ? "bad" : "warn";
    found.push({ level, text: t("verdict.alert", { rule: alert.rule, subject: alert.subject || t("verdict.node") }) });
  }
  return found.length ? shorten(found) : [{ level: "good", text: fine(told) }];
}

function fine(told) {
  const requests = told.lines.reduce((sum, line) => sum + line.requests_60s, 0);
  return t("verdict.fine", { n: told.lines.length }) + t("list.space") + t("verdict.requests", { n: requests });
}

function shorten(found) {
  const kept = found.slice(0, MOST);
  if (found.length > MOST) kept.push({ level: "note", text: t("verdict.more", { n: found.length - MOST }) });
  return kept;
}

function about(line, state, out) {
  const facts = [];
  const loss = line.loss?.ratio_60s;
  if (loss) facts.push(t("verdict.loss", { loss: percent(loss) }));
  if (line.reason && ["ejected", "suspected", "probation"].includes(state)) facts.push(because(line.reason, line.reason_parts));
  if (state === "draining") facts.push(t("verdict.under_way", { n: line.in_flight }));
  const at = out.get(line.id) ?? line.since;
  const since = at && state !== "draining" && state !== "off" ? t("verdict.since", { at: moment(at) }) : "";
  return t("verdict.line", { id: line.id, state: t(`verdict.${state}`), since, facts: facts.length ? t("verdict.facts", { facts: facts.join(t("list.comma")) }) : "" });
}
