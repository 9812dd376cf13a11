// Relays: whether each takes requests, what its sessions cost and spare, and their round trips over time.

import { fill, h } from "../dom.js";
import { UNKNOWN, because, bytes, ms, number, plainMs, stateWord } from "../format.js";
import { t } from "../i18n.js";
import { onGrid, smoke } from "../smoke.js";

const SECONDS = { "10m": 600, "3h": 10800, "1d": 86400 };

/** A card for each relay, beneath `parent`. */
export class Relays {
  constructor(parent) {
    this.parent = parent;
    this.cards = new Map();
  }

  stop() {
    for (const card of this.cards.values()) card.chart.destroy();
    this.cards.clear();
  }

  /** `relays`: one document for each worker; `sums`, `charts`: of the history of all relays. */
  update(relays, sums, charts, span) {
    const ids = [...new Set(relays.map((each) => each.id))];
    for (const [id, card] of this.cards) if (!ids.includes(id)) this.remove(id, card);
    for (const id of ids) {
      const card = this.cards.get(id) ?? this.add(id);
      draw(card, relays.filter((each) => each.id === id), sums?.[id]);
      if (!charts) continue;
      const step = charts.step_seconds, begins = charts.ends - SECONDS[span];
      card.chart.update(onGrid(charts.series[id] ?? { at: [] }, begins - (begins % step), charts.ends, step), []);
    }
  }

  add(id) {
    const card = { head: h("div.head"), figures: h("dl.figures"), reading: h("p.reading", { "aria-hidden": "true" }), plot: h("div.plot"), side: h("div.side") };
    card.root = h("section.card", { "aria-label": t("relay.label", { id }), "data-relay": id },
      h("div.left", null, card.head), h("div.middle", null, card.reading, card.plot), card.side);
    this.parent.append(card.root);
    card.chart = smoke(card.plot, id, (text) => { card.reading.textContent = text; }, "relays");
    this.cards.set(id, card);
    return card;
  }

  remove(id, card) {
    card.chart.destroy();
    card.root.remove();
    this.cards.delete(id);
  }
}

/** The word that matters most. */
export function relayState(relay) {
  if (relay.draining) return "draining";
  return relay.ready ? relay.standing : "not_ready";
}

function draw(card, workers, past) {
  const worst = workers.find((each) => !each.ready) ?? workers[0], state = relayState(worst);
  const shown = state === "not_ready" ? "ejected" : state;
  card.root.dataset.state = shown;
  const why = worst.ready ? worst.reason : worst.why_not;
  fill(card.head, h("h2", null, worst.id), h("span.carrier", null, worst.address),
    h("p", null, h("span.badge", { "data-state": shown }, stateWord(state)), " ",
      h("span.quiet", null, t("relay.over", { lines: worst.lines_used.join(", ") || UNKNOWN }))),
    why && state !== "admitted" ? h("p.reason", null, because(why)) : null,
    workers.flatMap((each) => each.carriers.map((carrier) => h("p.quiet", null, carrierText(carrier, each, workers.length > 1)))));
  const sum = (name) => workers.reduce((total, each) => total + each[name], 0);
  fill(card.side, h("dl.figures", null,
    figure(t("figure.rtt"), ms(past?.rtt_p50_ms ?? worst.rtt?.median_ms), past ? t("figure.p95", { ms: plainMs(past.rtt_p95_ms) }) : ""),
    figure(t("relay.late"), past ? `${plainMs(past.late_p50_ms)} / ${plainMs(past.late_p99_ms)} ms` : UNKNOWN),
    figure(t("relay.redundancy"), past?.redundancy ? `${number(past.redundancy, 2)}×` : UNKNOWN, past ? bytes(past.up_bytes + past.down_bytes) : ""),
    figure(t("relay.suspicions"), number(past?.suspicions ?? 0), t("relay.false", { n: number(past?.false_suspicions ?? 0) })),
    figure(t("figure.requests"), number(past?.requests ?? 0), t("relay.failures", { n: number(past?.failures ?? 0) })),
    figure(t("figure.first_byte"), past ? `${plainMs(past.first_byte_p50_ms)} / ${plainMs(past.first_byte_p95_ms)} ms` : UNKNOWN),
    figure(t("figure.in_flight"), number(sum("in_flight"))),
    figure(t("relay.sessions"), number(sum("sessions")), t("relay.resumes", { n: number(sum("resumes")) }))));
}

function carrierText(carrier, relay, several) {
  const kind = t(`relay.${carrier.kind}`), doubt = carrier.suspected ? ` (${stateWord("suspected")})` : "";
  return `${several ? `${t("relay.worker", { n: relay.worker })} ` : ""}${carrier.line} · ${kind} · ${ms(carrier.rtt_ms)}${doubt}`;
}

const figure = (name, value, more) => h("div", null, h("dt", null, name), h("dd", null, h("b", null, value), more ? h("small", null, more) : null));
