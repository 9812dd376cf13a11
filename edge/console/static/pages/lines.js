// Lines: how each is, over time and now, and the knobs. Weights are tried on all lines together before they are applied.

import { Refused, ask, get } from "../api.js";
import { dialog, fill, h, table } from "../dom.js";
import { UNKNOWN, because, bytes, moment, money, ms, number, percent, plainMs, rate, score, stateOf, stateWord } from "../format.js";
import { said, t } from "../i18n.js";
import { LOSSES, onGrid, smoke } from "../smoke.js";

export const SPANS = ["10m", "3h", "1d", "7d"];
const EVERY = { "10m": 2000, "3h": 10000, "1d": 60000, "7d": 120000 };

export function show(view, state) {
  const page = new Lines(view, state);
  return { stop: () => page.stop() };
}

class Lines {
  constructor(view, state) {
    this.state = state;
    this.span = sessionStorage.getItem("farline.span") ?? "10m";
    this.cards = new Map();
    this.pending = new Map(); // line → weight that is tried, not applied
    this.series = {};
    this.marks = [];
    this.last = 0;
    this.list = h("div.cards");
    this.bar = h("section.bar", { hidden: true, "aria-label": t("weights.title") });
    view.append(h("div.top", null, this.spans(), legend()), this.list, this.bar);
    state.seen.add(() => this.draw());
    state.hear.add(() => this.events());
    if (state.lines) this.draw();
    this.restart();
    this.slow = setInterval(() => { if (!document.hidden) this.scores(); }, 10000);
    this.scores();
    this.events();
  }

  stop() {
    clearInterval(this.timer);
    clearInterval(this.slow);
    for (const card of this.cards.values()) card.chart.destroy();
    this.isStopped = true;
  }

  spans() {
    return h("div.choice", { role: "group", "aria-label": t("span.label") }, SPANS.map((span) => h("button", {
      type: "button", "aria-pressed": String(span === this.span), "data-span": span,
      onclick: (event) => {
        this.span = span;
        sessionStorage.setItem("farline.span", span);
        for (const each of event.target.parentNode.children) each.setAttribute("aria-pressed", String(each === event.target));
        this.restart();
        this.events();
      },
    }, t(`span.${span}`))));
  }

  restart() {
    clearInterval(this.timer);
    this.series = {};
    this.last = 0;
    this.load();
    this.timer = setInterval(() => { if (!document.hidden) this.load(); }, EVERY[this.span]);
  }

  async load() {
    const span = this.span;
    const told = await quietly(get(`history/lines?span=${span}&series=true${this.last ? `&since=${this.last}` : ""}`));
    if (!told || span !== this.span || this.isStopped) return;
    const step = told.step_seconds;
    const begins = told.ends - { "10m": 600, "3h": 10800, "1d": 86400, "7d": 604800 }[span];
    this.window = { begins: begins - (begins % step), ends: told.ends, step };
    for (const [id, columns] of Object.entries(told.series)) this.series[id] = joined(this.series[id], columns, begins);
    this.last = told.ends - 2 * step;
    this.charts();
  }

  async events() {
    const told = await quietly(get(`history/events?span=${this.span === "10m" ? "1h" : this.span}&limit=500`));
    if (!told) return;
    this.marks = told.events.map(mark).filter(Boolean);
    this.charts();
  }

  async scores() {
    const [ranking, today] = await Promise.all([quietly(get("ranking")), quietly(get("history/lines?span=today"))]);
    this.ranking = ranking ?? this.ranking;
    this.today = today ?? this.today;
    this.draw();
  }

  charts() {
    for (const [id, card] of this.cards) {
      if (!this.window) continue;
      const { begins, ends, step } = this.window;
      card.chart.update(onGrid(this.series[id] ?? { at: [] }, begins, ends, step), this.marks.filter((each) => each.line === id));
    }
  }

  draw() {
    if (!this.state.lines || this.isStopped) return;
    for (const line of this.state.lines.lines) {
      let card = this.cards.get(line.id);
      if (!card) {
        card = this.card(line);
        this.cards.set(line.id, card);
        this.list.append(card.root);
        card.chart = smoke(card.plot, line.id, (text) => { card.reading.textContent = text; }, "lines");
      }
      this.update(card, line);
    }
  }

  card(line) {
    const card = { head: h("div.head"), figures: h("dl.figures"), reading: h("p.reading", { "aria-hidden": "true" }), plot: h("div.plot"), side: h("div.side") };
    const label = t("weight.of", { id: line.id });
    card.slider = h("input", { type: "range", min: "0", max: "200", step: "5", "aria-label": label, oninput: () => this.tries(line.id, card.slider.value) });
    card.weight = h("input.weight", { type: "number", min: "0", max: "1000000", "aria-label": label, onchange: () => this.tries(line.id, card.weight.value) });
    card.switch = h("button", { type: "button", onclick: () => this.drain(line.id) });
    card.knobs = h("div.knobs", null, h("span.label", { "aria-hidden": "true" }, t("weight.label")), card.slider, card.weight, card.switch,
      h("button", { type: "button", onclick: () => this.pin(line.id) }, t("pin.button")),
      h("button", { type: "button", onclick: () => this.maintain(line.id) }, t("maintenance.button")));
    card.root = h("section.card", { "aria-label": t("line.label", { id: line.id }) },
      h("div.left", null, card.head, card.figures),
      h("div.middle", null, card.reading, card.plot, card.knobs), card.side);
    return card;
  }

  update(card, line) {
    const word = stateOf(line);
    card.root.dataset.state = word;
    fill(card.head, h("h2", null, line.id), h("span.carrier", null, [line.carrier, line.way].filter(Boolean).join(" · ")),
      h("p", null, h("span.badge", { "data-state": word }, stateWord(word)), " ",
        h("span.quiet", null, line.since ? t("line.since", { at: moment(line.since, true) }) : t("line.since_start"))),
      line.reason && word !== "admitted" ? h("p.reason", null, because(line.reason, line.reason_parts)) : null,
      line.maintenance.map((each) => h("p.reason", null, t("maintenance.window", { begins: moment(each.begins), ends: moment(each.ends) }), each.note ? ` (${each.note})` : "")),
      line.pins.map((each) => h("p.reason", null, t("pin.pinned", { subject: each.subject }), " ",
        h("button.quiet", { type: "button", onclick: () => this.act(ask("DELETE", `pins?subject=${encodeURIComponent(each.subject)}`)) }, t("pin.remove")))));
    const rtt = line.rtt ?? {}, loss = line.loss ?? {};
    fill(card.figures,
      figure(t("figure.rtt"), ms(rtt.estimate_ms), t("figure.p95", { ms: plainMs(rtt.p95_ms) })),
      figure(t("figure.jitter"), ms(rtt.jitter_ms)),
      figure(t("figure.loss"), percent(loss.ratio_10s), line.loss ? `${percent(loss.ratio_60s)} · ${percent(loss.ratio_300s)}` : "", t("figure.loss_windows")));
    this.side(card, line);
    this.knobs(card, line, word);
  }

  side(card, line) {
    const today = this.today?.sums[line.id];
    const ranked = this.ranking?.ranking.paths.find((each) => each.line === line.id);
    const busier = Math.max(line.up_bps, line.down_bps);
    fill(card.side,
      h("dl.figures", null,
        figure(t("figure.score"), score(this.ranking?.scores[line.id])),
        figure(t("figure.share"), percent(line.share_60s), t("figure.requests_60s", { n: number(line.requests_60s) })),
        figure(t("figure.in_flight"), number(line.in_flight)),
        figure(t("figure.cost_today"), line.cost_per_gb === null ? UNKNOWN : money(today?.cost ?? 0), today ? t("figure.requests_today", { n: number(today.requests) }) : ""),
      ),
      h("div.use", null, h("span", null, t("figure.bandwidth")), " ", h("b", null, rate(busier)),
        line.capacity_mbps ? ` / ${number(line.capacity_mbps)} Mbit/s` : ` ${t("figure.no_capacity")}`,
        line.utilisation === null ? null : h("meter", { min: 0, max: 1, high: 0.8, value: Math.min(1, line.utilisation), "aria-label": t("figure.use_of", { id: line.id }) })),
      throughRelays(line),
      ranked ? terms(ranked) : null);
  }

  knobs(card, line, word) {
    const tried = this.pending.get(line.id);
    const weight = tried ?? line.weight.override ?? line.weight.configured;
    card.slider.max = String(Math.max(200, line.weight.configured * 2, weight));
    if (document.activeElement !== card.slider) card.slider.value = String(weight);
    if (document.activeElement !== card.weight) card.weight.value = String(weight);
    card.root.classList.toggle("tried", tried !== undefined);
    card.isOut = line.in_effect !== "on" && line.switch !== "on";
    const action = card.isOut ? "undrain" : "drain";
    card.switch.textContent = t(`drain.${action}`);
    card.switch.disabled = word === "draining" && line.switch === "on"; // a maintenance window does it
  }

  // --- weights, tried before they are applied ---

  tries(id, value) {
    const line = this.state.lines.lines.find((each) => each.id === id);
    const weight = Math.max(0, Number(value));
    const now = line.weight.override ?? line.weight.configured;
    if (!Number.isFinite(weight) || weight === now) this.pending.delete(id);
    else this.pending.set(id, weight);
    const card = this.cards.get(id);
    if (document.activeElement !== card.weight) card.weight.value = String(weight);
    if (document.activeElement !== card.slider) card.slider.value = String(weight);
    card.root.classList.toggle("tried", this.pending.has(id));
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.preview(), 120);
  }

  changes() {
    return Object.fromEntries([...this.pending].map(([id, weight]) => [id, { weight }]));
  }

  async preview() {
    this.bar.hidden = this.pending.size === 0;
    if (this.bar.hidden) return;
    const shares = await quietly(ask("POST", "preview", { lines: this.changes() }));
    if (!shares || !this.pending.size) return;
    fill(this.bar, h("div.preview", { role: "status" }, h("h2", null, t("weights.title")),
      h("p", null, t("weights.nothing_yet")), sharesTable(shares)));
    this.bar.append(h("div.buttons", null,
      h("button.main", { type: "button", onclick: () => this.apply() }, t("weights.apply")),
      h("button", { type: "button", onclick: () => this.discard() }, t("weights.discard"))));
  }

  async apply() {
    for (const [id, weight] of this.pending) if (!await this.act(ask("PATCH", `lines/${encodeURIComponent(id)}`, { weight }))) return;
    this.discard();
  }

  discard() {
    this.pending.clear();
    this.bar.hidden = true;
    this.draw();
  }

  // --- drain, pin, maintenance ---

  async drain(id) {
    if (this.cards.get(id).isOut) return void this.act(ask("POST", `lines/${encodeURIComponent(id)}/undrain`, {}));
    const line = this.state.lines.lines.find((each) => each.id === id);
    const shares = await quietly(ask("POST", "preview", { lines: { [id]: { switch: "draining" } } }));
    const isLast = shares && Object.values(shares.then).every((share) => share === 0);
    dialog(t("drain.title", { id }), (close) => h("form", {
      method: "dialog", onsubmit: (event) => { event.preventDefault(); close(); this.act(ask("POST", `lines/${encodeURIComponent(id)}/drain`, isLast ? { force: true } : {})); },
    }, h("p", null, t("drain.text", { n: line.in_flight })), isLast ? h("p.wrong", null, t("drain.last")) : null, shares ? sharesTable(shares) : null,
    h("div.buttons", null, h("button.main", { type: "submit", autofocus: true }, t("drain.drain")), h("button", { type: "button", onclick: close }, t("cancel")))));
  }

  pin(id) {
    const subject = h("input", { id: "subject", required: true, value: "*", pattern: "\\*|(provider|model|key):.+", autocomplete: "off" });
    dialog(t("pin.title", { id }), (close) => h("form", {
      onsubmit: (event) => { event.preventDefault(); close(); this.act(ask("PUT", "pins", { subject: subject.value, line: id })); },
    }, h("p", null, t("pin.text")), h("label", { for: "subject" }, t("pin.subject")), subject, h("p.note", null, t("pin.examples")),
    h("div.buttons", null, h("button.main", { type: "submit", autofocus: true }, t("pin.button")), h("button", { type: "button", onclick: close }, t("cancel")))));
  }

  maintain(id) {
    const local = new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16);
    const begins = h("input", { id: "begins", type: "datetime-local", value: local, required: true });
    const minutes = h("input", { id: "minutes", type: "number", min: "1", value: "60", required: true });
    const note = h("input", { id: "note", maxlength: "256", autocomplete: "off" });
    dialog(t("maintenance.title", { id }), (close) => h("form", {
      onsubmit: (event) => {
        event.preventDefault();
        close();
        const body = { line: id, begins: new Date(begins.value).toISOString(), minutes: Number(minutes.value), note: note.value };
        this.act(ask("POST", "maintenance", body));
      },
    }, h("p", null, t("maintenance.text")), h("label", { for: "begins" }, t("maintenance.begins")), begins,
    h("label", { for: "minutes" }, t("maintenance.minutes")), minutes, h("label", { for: "note" }, t("maintenance.note")), note,
    h("div.buttons", null, h("button.main", { type: "submit", autofocus: true }, t("maintenance.add")), h("button", { type: "button", onclick: close }, t("cancel")))));
  }

  /** Does it, says what came of it, and shows the lines anew. */
  async act(done) {
    if (!await act(done)) return false;
    this.state.lines = (await quietly(get("lines"))) ?? this.state.lines;
    this.draw();
    return true;
  }
}

/** Says what came of a change; false: it was refused. */
export async function act(done) {
  try {
    const told = await done;
    const left = [...Object.entries(told.failed).map(([worker, why]) => t("applied.failed", { worker, why })), told.not_saved ? t("applied.not_saved", { why: told.not_saved }) : null];
    const problems = left.filter(Boolean);
    say(problems.length ? problems.join(" ") : told.persistence === "memory" ? t("applied.memory") : t("applied.done"), problems.length > 0);
    return true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message, true);
    return false;
  }
}

function say(text, isBad) {
  document.querySelector(".toast")?.remove();
  const toast = h(`div.toast${isBad ? ".bad" : ""}`, { role: isBad ? "alert" : "status" }, text);
  document.body.append(toast);
  setTimeout(() => toast.remove(), isBad ? 12000 : 4000);
}

export function sharesTable(shares) {
  const rows = Object.keys(shares.now).map((id) => [id, percent(shares.now[id]), percent(shares.then[id]), bars(shares.now[id], shares.then[id])]);
  return table(t("weights.title"), [[t("line")], [t("weights.now"), "num"], [t("weights.then"), "num"], ["", "bars"]], rows);
}

function bars(now, then) {
  return h("span.pair", { "aria-hidden": "true" }, h("i.now", { style: { width: `${now * 100}%` } }), h("i.then", { style: { width: `${then * 100}%` } }));
}

function figure(name, value, more, title) {
  return h("div", { title: title ?? null }, h("dt", null, name), h("dd", null, h("b", null, value), more ? h("small", null, more) : null));
}

/** What of the line's bytes is sessions with relays, and how much of that is copies. */
function throughRelays(line) {
  const total = (causes) => Object.values(causes).reduce((sum, each) => sum + each, 0);
  const { up, down } = line.session, all = total(up) + total(down);
  if (!all) return null;
  const useful = up.first + down.first;
  return h("p.terms", null, t("line.session", { up: bytes(total(up)), down: bytes(total(down)), share: percent(useful / all) }));
}

function terms(ranked) {
  const parts = ranked.terms.filter((term) => Math.abs(term.cost) >= 0.05).map((term) => `${said("term", term.name)} ${term.cost < 0 ? "−" : ""}${plainMs(Math.abs(term.cost))}`);
  return h("p.terms", null, ranked.cost === null ? t("terms.weighted") : t("terms.cost", { ms: plainMs(ranked.cost) }), parts.length && ranked.cost !== null ? `: ${parts.join(" · ")}` : "");
}

function legend() {
  const swatches = ["0", ...LOSSES.map((bound) => `>${bound * 100}`)];
  return h("p.legend", null, t("legend.text"), " ", t("legend.loss"), " ", swatches.map((text, level) => [h(`i.swatch.loss-${level}`, { "aria-hidden": "true" }), `${text} % `]));
}

/** What came before, without what is told anew or has left the window. */
function joined(known, told, begins) {
  if (!known) return told;
  const first = told.at[0] ?? Infinity;
  const kept = known.at.map((at, place) => [at, place]).filter(([at]) => at >= begins && at < first).map(([, place]) => place);
  return Object.fromEntries(Object.keys(told).map((name) => [name, [...kept.map((place) => known[name][place]), ...told[name]]]));
}

/** An event as a mark on its line's chart. */
function mark(event) {
  const at = Date.parse(event.at) / 1000;
  if (event.type === "health" && event.kind === "line") {
    const bad = event.after === "ejected" || event.after === "suspected";
    return { at, line: event.subject, bad, text: `${stateWord(event.before)} → ${stateWord(event.after)}` };
  }
  if (event.type === "control" && event.target) return { at, line: event.target, bad: false, text: `${event.who}: ${said("action", event.action)}` };
  return null;
}

/** A page goes on when one answer is missing; the sentence on top says that the node is silent. */
export async function quietly(asked) {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}

