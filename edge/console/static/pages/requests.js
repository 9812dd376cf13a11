// Requests: what ended lately, live; one of them in full: where its time went and why it took its way.

import { Refused, get } from "../api.js";
import { fill, h, table, tr } from "../dom.js";
import { UNKNOWN, because, bytes, clock, ms, number, plainMs, story } from "../format.js";
import { said, t } from "../i18n.js";
import { quietly } from "./lines.js";

const COLUMNS = () => [[t("requests.at")], [t("requests.model")], [t("requests.path")], [t("requests.status"), "num"], [t("requests.first_byte"), "num"],
  [t("requests.duration"), "num"], [t("requests.size"), "num"], [t("requests.attempts"), "num"], [t("requests.key")]];

export function show(view, state, [picked]) {
  let isPaused = false, isStopped = false, rows = [];
  const wanted = {};
  const lines = state.lines?.lines.map((line) => line.id) ?? [];
  const text = (name) => h("label", null, t(`requests.${name}`), h("input", { type: "text", autocomplete: "off", onchange: (event) => filter(name, event.target.value.trim()) }));
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = t(isPaused ? "requests.resume" : "requests.pause");
    if (!isPaused) load();
  } }, t("requests.pause"));
  const form = h("form.filters", { onsubmit: (event) => event.preventDefault(), "aria-label": t("requests.filters") },
    h("label", null, t("line"), h("select", { onchange: (event) => filter("line", event.target.value) }, h("option", { value: "" }, t("requests.any")), lines.map((id) => h("option", null, id)))),
    text("provider"), text("model"), text("principal"),
    h("label", null, t("requests.status"), h("input", { type: "number", min: "100", max: "599", onchange: (event) => filter("status", event.target.value) })),
    h("label", null, t("requests.slower"), h("input", { type: "number", min: "0", step: "100", onchange: (event) => filter("slower_than_ms", event.target.value) })),
    h("label.check", null, h("input", { type: "checkbox", onchange: (event) => filter("failed", event.target.checked ? "true" : "") }), t("requests.failed")), pause);
  const list = h("div.panel"), detail = h("section.panel.sticky", { hidden: true, "aria-label": t("requests.one") });
  const split = h("div.split", null, list, detail);
  view.append(form, split);

  function filter(name, value) {
    if (value) wanted[name] = value; else delete wanted[name];
    load();
  }

  async function load() {
    const told = await quietly(get(`requests?${new URLSearchParams({ limit: 60, ...wanted })}`));
    if (isStopped || !told) return;
    rows = told.requests;
    draw();
  }

  function draw() {
    if (!rows.length) return void fill(list, h("p.quiet", null, t("requests.none")));
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    const scroll = list.firstChild?.scrollLeft ?? 0;
    list.replaceChildren(table(t("page.requests"), COLUMNS(), rows.map(row), { class: "requests" }));
    list.firstChild.scrollLeft = scroll;
    if (focused) list.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  function row(each) {
    const failed = each.failure || each.status >= 400;
    const open = h("button.quiet.mono", { type: "button", "data-id": each.request, onclick: () => pick(each.request) }, clock(each.at));
    return tr([open, each.model ?? each.operation ?? UNKNOWN, [each.path ?? UNKNOWN, each.failovers.length ? h("small", null, ` ${t("requests.failover")}`) : null],
      [failed ? `${each.status} ${each.failure ? because(each.failure) : ""}` : each.status], ms(each.ttfb_ms), ms(each.duration_ms), bytes(each.bytes_out),
      number(each.attempts.length), each.principal || UNKNOWN], COLUMNS(),
    { class: `row${failed ? " bad" : ""}${each.request === picked ? " picked" : ""}`, onclick: (event) => { if (event.target.tagName !== "BUTTON") pick(each.request); } });
  }

  async function pick(id) {
    picked = id;
    history.replaceState(null, "", `#requests/${encodeURIComponent(id)}`);
    try {
      const told = await get(`requests/${encodeURIComponent(id)}`);
      fill(detail, one(told, close));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      fill(detail, h("p", null, error.message));
    }
    detail.hidden = false;
    split.classList.add("open");
    draw();
  }

  function close() {
    picked = undefined;
    history.replaceState(null, "", "#requests");
    detail.hidden = true;
    split.classList.remove("open");
    draw();
  }

  load();
  if (picked) pick(picked);
  const timer = setInterval(() => { if (!document.hidden && !isPaused) load(); }, 2000);
  return { stop: () => { isStopped = true; clearInterval(timer); } };
}

function one(told, close) {
  const facts = [[t("requests.id"), told.request], [t("requests.key"), told.principal], [t("requests.priority"), told.priority], [t("requests.protocol"), told.protocol],
    [t("requests.tokens"), t("requests.tokens_of", { input: number(told.tokens.input), output: number(told.tokens.output), cached: number(told.tokens.cached) })],
    [t("requests.size"), `${bytes(told.bytes_in)} ↑ ${bytes(told.bytes_out)} ↓`], told.detail ? [t("requests.detail"), h("q", { lang: "en" }, told.detail)] : null].filter(Boolean);
  return [h("div.top", null, h("h2", null, `${told.method} ${told.route}`), h("button.quiet", { type: "button", onclick: close }, t("close"))),
    h("p", null, h("b", null, told.status), ` ${told.path ?? ""} `, told.failure ? h("span.bad-text", null, because(told.failure)) : null),
    h("h3", null, t("waterfall.title")), waterfall(told),
    h("h3", null, t("why.title")), h("p", null, story(told.why_parts)), told.ranking ? ranking(told.ranking) : h("p.quiet", null, t("why.forgotten")),
    h("dl.figures", null, facts.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value ?? UNKNOWN))))];
}

/** Where the time went, one row a step, on one scale. */
function waterfall(told) {
  const { routed, sent, first_byte: first, ended, attempts } = told.times_ms;
  const total = Math.max(ended, 1);
  const rows = [];
  const add = (name, from, to, kind) => { if (from !== null && to !== null && to >= from) rows.push([name, from, to, kind]); };
  add(t("waterfall.edge"), 0, routed ?? ended, "wait");
  told.attempts.forEach((attempt, number) => {
    const isLast = number === told.attempts.length - 1;
    const begins = attempts[number] ?? routed;
    const fails = attempt.code || attempt.outcome === "refused" || attempt.outcome === "error";
    const until = isLast ? first ?? ended : attempts[number + 1] ?? first ?? ended;
    if (number === 0) add(t("waterfall.connect", { path: attempt.path }), routed, begins, "wait");
    add(fails ? t("waterfall.failed", { path: attempt.path, why: because(attempt.code ?? String(attempt.status ?? attempt.outcome)) }) : t("waterfall.first", { path: attempt.path }), begins, until, fails ? "bad" : "first");
  });
  if (!told.attempts.length && sent !== null) add(t("waterfall.first", { path: told.path ?? "" }), sent, first ?? ended, "first");
  if (first !== null) add(t("waterfall.tokens"), first, ended, told.failure ? "bad" : "tokens");
  return h("div.waterfall", null, rows.map(([name, from, to, kind]) => [h("span", null, name),
    h("span.track", { "aria-hidden": "true" }, h("i.part", { "data-kind": kind, style: { left: `${(from / total) * 100}%`, width: `${((to - from) / total) * 100}%` } })),
    h("span.num", null, `${plainMs(to - from)} ms`)]));
}

export function ranking(told) {
  const names = [...new Set(told.paths.flatMap((path) => path.terms.map((term) => term.name)))];
  const columns = [[t("requests.path")], [t("terms.cost_ms"), "num"], ...names.map((name) => [said("term", name), "num"]), [t("why.note")]];
  const rows = [...told.paths, ...told.excluded].map((path) => {
    const terms = Object.fromEntries(path.terms.map((term) => [term.name, term]));
    return [path.path, plainMs(path.cost), ...names.map((name) => (terms[name] ? h("span", { title: `${number(terms[name].value, 4)} ${terms[name].unit}` }, plainMs(terms[name].cost)) : "")), because(path.note, path.note_parts)];
  });
  return table(t("why.title"), columns, rows);
}

