// Paths and far ends: which line reaches which far end how well.

import { get, maybe } from "../api.js";
import { fill, h, table } from "../dom.js";
import { UNKNOWN, because, lasting, moment, number, percent, plainMs, stateOf, stateWord } from "../format.js";
import { t } from "../i18n.js";
import { quietly } from "./lines.js";
import { Relays, relayState } from "./relays.js";

const SPANS = ["10m", "3h", "1d"];

export function show(view, state) {
  let span = "10m", isStopped = false;
  const matrix = h("div"), far = h("div"), limits = h("div"), cards = h("div");
  const relaysPanel = h("section", { hidden: true, "aria-label": t("relays.title") }, h("h2", null, t("relays.title")), h("p.legend", null, t("relays.legend")), cards);
  const relayCards = new Relays(cards);
  const choice = h("div.choice", { role: "group", "aria-label": t("span.label") }, SPANS.map((each) => h("button", {
    type: "button", "aria-pressed": String(each === span),
    onclick: (event) => {
      span = each;
      for (const one of event.target.parentNode.children) one.setAttribute("aria-pressed", String(one === event.target));
      load();
    },
  }, t(`span.${each}`))));
  view.append(h("div.top", null, choice, h("p.legend", null, t("paths.legend"))),
    h("section.panel", null, h("h2", null, t("paths.title")), matrix), relaysPanel, h("section.panel", null, h("h2", null, t("ends.title")), far),
    h("section.panel", null, h("h2", null, t("limits.title")), limits));

  async function load() {
    const asked = span;
    const [paths, sums, ends, told, pasts, credentials] = await Promise.all([
      quietly(get("paths")), quietly(get(`history/paths?span=${span}`)), quietly(get("endpoints")), quietly(maybe("relays")),
      quietly(get(`history/endpoints?span=${span}`)), quietly(get("credentials"))]);
    if (isStopped || !paths || !ends || asked !== span) return;
    const relays = told?.relays ?? [];
    fill(matrix, grid(paths.paths, sums?.sums ?? {}, ends.endpoints, state.lines?.lines ?? [], relays));
    fill(far, table(t("ends.title"), COLUMNS(), ends.endpoints.map((each) => end(each, pasts?.sums[each.id]))));
    if (credentials) fill(limits, credentials.credentials.length ? limitTable(credentials.credentials) : h("p.quiet", null, t("limits.none")));
    relaysPanel.hidden = !relays.length;
    if (relays.length) await loadRelays(relays, asked);
  }

  async function loadRelays(relays, asked) {
    const [sums, charts] = await Promise.all([quietly(get(`history/relays?span=${asked}`)), quietly(get(`history/relays?span=${asked}&series=true`))]);
    if (!isStopped && asked === span) relayCards.update(relays, sums?.sums, charts, asked);
  }

  load();
  let turns = 0; // sums over hours change slowly, and cost the node more
  const timer = setInterval(() => { if (!document.hidden && (span === "10m" || ++turns % 5 === 0)) load(); }, 3000);
  return { stop: () => { isStopped = true; clearInterval(timer); relayCards.stop(); } };
}

const COLUMNS = () => [[t("ends.id")], [t("ends.provider")], [t("ends.region")], [t("state")], [t("ends.success"), "num"], [t("figure.requests"), "num"],
  [t("figure.first_byte"), "num"], [t("ends.headroom")]];

function end(each, past) {
  const first = past ? `${plainMs(past.first_byte_p50_ms)} / ${plainMs(past.first_byte_p95_ms)}` : UNKNOWN;
  return [[each.id, h("small", null, ` ${each.url}`)], each.provider, each.region || UNKNOWN,
    [badge(each.standing), each.reason ? h("small", null, ` ${because(each.reason, each.reason_parts)}`) : null], percent(each.success_ratio), number(past?.requests ?? 0), first, headroom(each)];
}

/** What the provider still allows, as far as its replies have said it. */
function headroom(each) {
  if (each.penalised_for_seconds) return h("span.bad-text", null, t("ends.penalised", { time: lasting(each.penalised_for_seconds) }));
  const told = each.headroom;
  return told ? `${percent(told.requests_ratio)} · ${percent(told.tokens_ratio)}` : t("ends.no_limit");
}

function grid(paths, sums, endpoints, lines, relays) {
  const states = new Map(lines.map((line) => [line.id, stateOf(line)]));
  for (const each of relays) states.set(`/${each.id}`, relayState(each));
  const ends = [...endpoints, ...[...new Set(relays.map((each) => each.id))].map((id) => ({ id: `relay:${id}` }))];
  const stateOfRow = (row) => { const [line, way] = row.split("/"); return states.get(way === "direct" ? line : `/${way}`) ?? "unknown"; };
  const rows = [...new Set(paths.map((path) => `${path.line}/${path.relay ?? "direct"}`))];
  const by = new Map(paths.map((path) => [path.path, path]));
  return h("div.scroll", { tabindex: "0", role: "region", "aria-label": t("paths.title") }, h("table.matrix", null,
    h("caption.hidden", null, t("paths.title")),
    h("thead", null, h("tr", null, h("th", { scope: "col" }, t("line")), ends.map((each) => h("th", { scope: "col" }, each.id, each.region ? h("small", null, ` ${each.region}`) : null)))),
    h("tbody", null, rows.map((row) => h("tr", null, h("th", { scope: "row" }, row.replace("/direct", "").replace("/", " → "), h("small", null, badge(stateOfRow(row)))),
      ends.map((each) => cell(by.get(`${row}/${each.id}`), sums[`${row}/${each.id}`], stateOfRow(row))))))));
}

function cell(path, sums, lineState) {
  if (!path) return h("td", null, UNKNOWN);
  const rtt = path.rtt ?? {};
  const loss = sums?.loss ?? path.loss?.ratio_60s;
  const worse = lineState === "ejected" ? "ejected" : path.standing;
  return h(loss > 0.05 ? "td.lossy" : "td", { "data-state": worse },
    h("p", null, h("b", null, plainMs(sums?.rtt_p50_ms ?? rtt.median_ms)), " ms ", h("span.quiet", null, t("figure.p95", { ms: plainMs(sums?.rtt_p95_ms ?? rtt.p95_ms) }))),
    h("p", null, t("chart.loss", { loss: percent(loss) })),
    h("p", null, t("paths.first_byte", { p50: plainMs(sums?.first_byte_p50_ms ?? path.first_byte_p50_ms), p95: plainMs(sums?.first_byte_p95_ms ?? path.first_byte_p95_ms) })),
    path.standing === "admitted" ? null : h("p", null, badge(path.standing), path.reason ? ` ${because(path.reason, path.reason_parts)}` : ""));
}

const LIMIT_COLUMNS = () => [[t("limits.credential")], [t("ends.id")], [t("requests.model")], [t("limits.kind")],
  [t("limits.left"), "num"], [t("limits.of"), "num"], [t("limits.share")], [t("limits.full"), "num"], [t("limits.seen")], [t("limits.paused"), "num"]];

/** One row per limit; one for a credential of which none is known. */
function limitTable(credentials) {
  return table(t("limits.title"), LIMIT_COLUMNS(), credentials.flatMap((each) => {
    const paused = each.paused_for_seconds === null ? UNKNOWN : t("time.seconds", { n: number(Math.ceil(each.paused_for_seconds)) });
    const rest = [each.seen ? moment(each.seen, true) : t("limits.never"), paused];
    const head = [each.credential, each.endpoint, each.model ?? UNKNOWN];
    if (!each.limits.length) return [[...head, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, ...rest]];
    return each.limits.map((limit) => [...head, t(`limits.${limit.kind}`), number(limit.remaining), number(limit.limit), share(limit), limit.full_in_seconds === null ? UNKNOWN : lasting(limit.full_in_seconds), ...rest]);
  }));
}

function share(limit) {
  if (!limit.limit) return UNKNOWN;
  const left = Math.min(1, limit.remaining / limit.limit);
  return [h("meter", { min: "0", max: "1", low: "0.1", optimum: "1", value: String(left), "aria-label": t("limits.share") }), ` ${percent(left)}`];
}

export const badge = (state) => h("span.badge", { "data-state": state }, stateWord(state));
