// Events: what happened, beside how the lines were at that time.

import { get } from "../api.js";
import { fill, h, svg } from "../dom.js";
import { because, clock, day, moment, number, stateWord } from "../format.js";
import { said, t } from "../i18n.js";
import { lossLevel } from "../smoke.js";
import { SPANS, quietly } from "./lines.js";

const SECONDS = { "10m": 600, "3h": 10800, "1d": 86400, "7d": 604800 };
const WIDE = 1000; // of a strip's own scale

export function show(view, state) {
  let span = "3h", type = "", isStopped = false, marked = null;
  const strips = h("div.strips"), list = h("ol.events");
  const buttons = (values, current, choose, name, label) => h("div.choice", { role: "group", "aria-label": label }, values.map((each) => h("button", {
    type: "button", "aria-pressed": String(each === current),
    onclick: (event) => {
      choose(each);
      for (const one of event.target.parentNode.children) one.setAttribute("aria-pressed", String(one === event.target));
      load();
    },
  }, t(`${name}.${each || "all"}`))));
  view.append(h("div.top", null, buttons(SPANS, span, (each) => { span = each; }, "span", t("span.label")),
    buttons(["", "health", "control", "reload"], type, (each) => { type = each; }, "events.kind", t("events.kind"))),
  h("section.panel", { "aria-label": t("events.strips") }, strips), h("section.panel", null, list));

  async function load() {
    const [told, history] = await Promise.all([quietly(get(`history/events?span=${span}&limit=500${type ? `&type=${type}` : ""}`)), quietly(get(`history/lines?span=${span}&series=true`))]);
    if (isStopped || !told || !history) return;
    const events = told.events.map((event) => ({ ...event, seconds: Date.parse(event.at) / 1000 })).reverse();
    const ends = history.ends, begins = ends - SECONDS[span];
    const ids = state.lines?.lines.map((line) => line.id) ?? Object.keys(history.series);
    fill(strips, ids.map((id) => [h("b", null, id), strip(id, history.series[id], begins, ends, history.step_seconds, events, marked)]), h("span"), axis(begins, ends));
    fill(list, events.length ? items(events, (at) => { marked = at; load(); }) : h("li.day", null, t("events.none")));
  }

  state.hear.add(() => load());
  load();
  const timer = setInterval(() => { if (!document.hidden) load(); }, 10000);
  return { stop: () => { isStopped = true; clearInterval(timer); } };
}

function strip(id, columns, begins, ends, step, events, marked) {
  const place = (at) => ((at - begins) / (ends - begins)) * WIDE;
  const made = svg("svg", { viewBox: `0 0 ${WIDE} 22`, preserveAspectRatio: "none", role: "img", "aria-label": t("events.strip", { id }) });
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  (columns?.at ?? []).forEach((at, number) => {
    const state = columns.state[number], loss = columns.loss[number];
    if (at < begins) return;
    const width = Math.max(0.6, (step / (ends - begins)) * WIDE + 0.1);
    if (state && state !== "admitted") made.append(svg("rect", { x: place(at), y: 0, width, height: 22, fill: colour(`--state-${state}`) }));
    const known = columns.rtt_p50_ms[number] !== null || loss !== null;
    if (known) made.append(svg("rect", { x: place(at), y: loss ? 8 : 13, width, height: loss ? 14 : 4, fill: colour(`--loss-${loss ? Math.max(1, lossLevel(loss)) : 0}`) }));
  });
  for (const event of events) {
    if ((event.subject ?? event.target) === id && event.seconds >= begins) made.append(svg("rect", { x: place(event.seconds) - 0.8, y: 0, width: 1.2, height: 22, class: "event", fill: colour("--text") }));
  }
  if (marked) made.append(svg("rect", { x: place(marked) - 1.5, y: 0, width: 3, height: 22, fill: colour("--link") }));
  return made;
}

function axis(begins, ends) {
  const made = h("div.axis", { "aria-hidden": "true", style: { display: "flex", "justify-content": "space-between" } });
  for (let part = 0; part <= 6; part++) made.append(h("small", null, moment(begins + ((ends - begins) * part) / 6)));
  return made;
}

function items(events, mark) {
  const made = [];
  let last = "";
  for (const event of calmed(events)) {
    const date = day(event.seconds);
    if (date !== last) made.push(h("li.day", null, date));
    last = date;
    const [level, text] = about(event);
    made.push(h("li", { "data-level": level, onmouseenter: () => mark(event.seconds) }, h("time", { datetime: event.at }, clock(event.seconds)), h("i", { "aria-hidden": "true" }), h("span", null, text)));
  }
  return made;
}

/** A silence that was over soon is one event, told when it began. `events`: newest first. */
function calmed(events) {
  const ends = new Map(), kept = [];
  for (const event of events) {
    if (event.after === "relieved") {
      ends.set(event.subject, event);
      kept.push(event);
    } else if (event.after === "suspected" && ends.has(event.subject)) {
      const end = ends.get(event.subject);
      kept.splice(kept.indexOf(end), 1);
      kept.push({ ...event, lasted: end.seconds - event.seconds });
      ends.delete(event.subject);
    } else {
      if (event.type === "health") ends.delete(event.subject);
      kept.push(event);
    }
  }
  return kept;
}

const LEVELS = { ejected: "bad", suspected: "warn", probation: "warn", admitted: "good", relieved: "good" };

function about(event) {
  if (event.lasted !== undefined) return ["note", t("events.hiccup", { kind: t(`kind.${event.kind}`), subject: event.subject, seconds: number(event.lasted, 1) })];
  if (event.type === "health") {
    const isSilence = ["suspected", "relieved"].includes(event.after);
    const text = t(isSilence ? "events.silence" : "events.health", { kind: t(`kind.${event.kind}`), subject: event.subject, before: stateWord(event.before), after: stateWord(event.after) });
    return [LEVELS[event.after] ?? "note", event.reason && event.after !== "relieved" ? text + t("verdict.facts", { facts: because(event.reason, event.reason_parts) }) : text];
  }
  if (event.type === "control") return ["note", t("events.control", { who: event.who, action: said("action", event.action), target: event.target ?? "", change: change(event) })];
  if (event.type === "reload") return [event.faults ? "bad" : "note", `${said("action", event.action)} ${event.faults?.join("; ") ?? ""}`];
  return ["note", event.type];
}

/** What a change set: `weight 100 → 50`. */
function change(event) {
  const before = event.before?.lines?.[event.target], after = event.after?.lines?.[event.target];
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  const told = [...names].filter((name) => (before?.[name] ?? DEFAULTS[name]) !== (after?.[name] ?? DEFAULTS[name]))
    .map((name) => `${said("control", name)} ${shown(before?.[name])} → ${shown(after?.[name])}`);
  return told.length ? `: ${told.join(", ")}` : "";
}

const DEFAULTS = { switch: "on" };
const shown = (value) => (value === null || value === undefined ? t("events.configured") : typeof value === "string" ? stateWord(value) : value);
