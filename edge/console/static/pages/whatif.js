// What if: the requests of the last hours, chosen for anew with other weights or another policy.

import { Refused, ask } from "../api.js";
import { fill, h, table } from "../dom.js";
import { moment, money, ms, number, percent } from "../format.js";
import { t } from "../i18n.js";

const POLICIES = ["", "best", "weighted", "classic"];

export function show(view, state) {
  const lines = state.lines?.lines ?? [];
  const policy = h("select", { id: "policy" }, POLICIES.map((each) => h("option", { value: each }, t(`policy.${each || "same"}`))));
  const weights = lines.map((line) => ({ line, field: h("input.weight", { type: "number", min: "0", value: String(line.weight.override ?? line.weight.configured), id: `weight-${line.id}` }) }));
  const outs = lines.map((line) => ({ line, field: h("input", { type: "checkbox", id: `out-${line.id}` }) }));
  const result = h("div", { role: "status", "aria-live": "polite" });
  view.append(h("form.panel", { onsubmit: (event) => { event.preventDefault(); run(); } },
    h("h2", null, t("whatif.title")), h("p.quiet", null, t("whatif.text")),
    h("div.filters", { class: "top" }, h("label", { for: "policy" }, t("whatif.policy")), policy),
    table(t("weights.title"), [[t("line")], [t("whatif.weight")], [t("whatif.without")]], lines.map((line, place) => [line.id,
      [h("label.hidden", { for: `weight-${line.id}` }, t("weight.of", { id: line.id })), weights[place].field],
      [outs[place].field, " ", h("label", { for: `out-${line.id}`, style: { display: "inline" } }, t("whatif.out", { id: line.id }))]])),
    h("div.buttons", null, h("button.main", { type: "submit" }, t("whatif.run")))), result);

  async function run() {
    const changes = {};
    weights.forEach(({ line, field }, place) => {
      const change = {};
      if (Number(field.value) !== (line.weight.override ?? line.weight.configured)) change.weight = Number(field.value);
      if (outs[place].field.checked) change.switch = "draining";
      if (Object.keys(change).length) changes[line.id] = change;
    });
    try {
      fill(result, outcome(await ask("POST", "what-if", { lines: changes, policy: policy.value })));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      fill(result, h("p.wrong", null, error.message));
    }
  }
}

function outcome(told) {
  const { actual, model, then } = told;
  if (!actual.requests) return h("section.panel", null, h("p", null, t("whatif.nothing")));
  const row = (name, of) => [t(`whatif.${name}`), of(actual), of(model), of(then)];
  const ids = [...new Set([actual, then].flatMap((each) => Object.keys(each.shares)))].sort();
  const columns = [[t("cache.what")], [t("whatif.actual"), "num"], [t("whatif.model"), "num"], [t("whatif.then"), "num"]];
  return h("section.panel", null,
    h("h2", null, t("whatif.sentence", { moved: percent(told.moved / actual.requests), total: number(actual.requests), since: moment(told.since),
      before: ms(actual.first_byte_p50_ms), after: ms(then.first_byte_p50_ms) })),
    table(t("whatif.title"), columns, [
      row("first_byte_p50", (each) => ms(each.first_byte_p50_ms)), row("first_byte_p95", (each) => ms(each.first_byte_p95_ms)),
      row("failures", (each) => percent(each.failure_ratio)), row("cost", (each) => money(each.cost)),
      ...ids.map((id) => [t("whatif.share", { id }), percent(actual.shares[id] ?? 0), percent(model.shares[id] ?? 0), percent(then.shares[id] ?? 0)])]),
    h("p.note", null, t("whatif.honest")));
}

