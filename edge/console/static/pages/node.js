// Cache, limits, pool, nodes: what each needs, no more.

import { get, maybe } from "../api.js";
import { fill, h, table } from "../dom.js";
import { UNKNOWN, because, bytes, moment, money, number, percent, plainMs } from "../format.js";
import { said, t } from "../i18n.js";
import { showAlerts } from "./alerts.js";
import { quietly } from "./lines.js";
import { badge } from "./paths.js";

export function show(view) {
  let isStopped = false;
  const panels = Object.fromEntries(["alerts", "nodes", "pools", "cache", "keys", "windows", "audit"].map((name) => {
    const body = h("div");
    return [name, { body, root: h("section.panel", null, h("h2", null, t(`node.${name}`)), body) }];
  }));
  view.append(h("div.grid", null, Object.values(panels).map((each) => each.root)));
  const put = (name, content, empty) => fill(panels[name].body, content ?? h("p.quiet", null, t(empty ?? `node.no_${name}`)));

  async function load() {
    const [alerts, nodes, pools, cache, keys, controls, audit, total] = await Promise.all(
      [get("alerts"), get("nodes"), get("pools"), maybe("cache"), get("history/keys?span=today"), get("controls"), maybe("audit?limit=15"), get("history/node?span=today")].map(quietly));
    if (isStopped) return;
    if (alerts) showAlerts(panels.alerts.body, alerts, load);
    if (nodes) put("nodes", [nodeTable(nodes.nodes, total?.sums.node), nodes.cluster ? clusterTable(nodes.cluster) : null]);
    if (pools) put("pools", pools.pools.length ? poolTable(pools.pools) : null);
    put("cache", cache ? cacheList(cache) : null);
    if (keys) put("keys", Object.keys(keys.sums).length ? keyTable(keys.sums) : null);
    if (controls) put("windows", controls.maintenance.length || controls.pins.length ? handTable(controls) : null);
    put("audit", audit ? auditTable(audit.entries) : null, "node.no_audit");
  }

  load();
  const timer = setInterval(() => { if (!document.hidden) load(); }, 5000);
  return { stop: () => { isStopped = true; clearInterval(timer); } };
}

const nodeTable = (nodes, today) => table(t("node.nodes"), [[t("nodes.name")], [t("nodes.region")], [t("state")], [t("nodes.version")], [t("nodes.started")], [t("nodes.workers"), "num"], [t("figure.in_flight"), "num"], [t("nodes.connections"), "num"], [t("nodes.requests_today"), "num"]],
  nodes.map((each, place) => [each.name, each.region || UNKNOWN, h("span.badge", { "data-state": each.ready ? "ready" : "draining" }, t(each.ready ? "state.ready" : "state.draining")), each.version, moment(each.started),
    `${each.workers?.answering.length ?? 1}/${each.workers?.expected ?? 1}`, number(each.requests_in_flight), number(each.client_connections), place === 0 ? number(today?.requests ?? 0) : UNKNOWN]));

/** All nodes of the cluster, and the published configuration that each runs or can't take. */
const clusterTable = (cluster) => table(t("nodes.cluster"), [[t("nodes.name")], [t("nodes.region")], [t("nodes.config")], [t("nodes.version")], [t("figure.in_flight"), "num"]],
  cluster.nodes.map((each) => [each.name, each.region || UNKNOWN, configuration(each), each.version, number(each.in_flight)]));

function configuration({ config, generation }) {
  if (!config) return number(generation);
  const now = config.version ? `${config.channel}@${config.version}` : `${config.channel}: ${UNKNOWN}`;
  return config.refused ? [now, h("small", null, ` ${t("nodes.refuses")} ${config.channel}@${config.refused.version}: ${config.refused.why}`)] : now;
}

const poolTable = (pools) => table(t("node.pools"), [[t("pools.id")], [t("pools.engine")], [t("state")], [t("pools.models")], [t("figure.in_flight"), "num"], [t("pools.waiting"), "num"], [t("pools.cache"), "num"]],
  pools.map((each) => [each.id, each.engine ?? UNKNOWN, [badge(each.standing), each.reason ? h("small", null, ` ${because(each.reason, each.reason_parts)}`) : null], Object.keys(each.models ?? {}).join(", ") || (Array.isArray(each.models) ? each.models.join(", ") : UNKNOWN), number(each.in_flight), number(each.waiting ?? each.load?.waiting), percent(each.cache_ratio ?? each.load?.cache_ratio)]));

/** Whatever the cache tells of itself, flat: its stores, hits, why not, what it saved. Counts of nothing are left out. */
function cacheList(cache) {
  const rows = [[t("cache.store"), cache.store]];
  for (const each of cache.stores) {
    rows.push([t("cache.in_store", { name: each.name }), t("cache.entries", { n: number(each.entries), size: bytes(each.used_bytes) })]);
    if (!each.is_admitted || each.faults) rows.push([t("cache.store_faults", { name: each.name }), number(each.faults)]);
  }
  const count = (group, values) => Object.entries(values).forEach(([name, value]) => { if (value) rows.push([said(`cache.${group}`, name), number(value, 1)]); });
  count("event", cache.events);
  for (const [name, value] of Object.entries(cache.reasons)) {
    const [event, reason] = name.split(": ");
    rows.push([t("cache.because", { event: said("cache.event", event), reason: said("cache.reason", reason) }), number(value)]);
  }
  count("similar", cache.similar);
  count("saved", { ...cache.saved.tokens, seconds: cache.saved.seconds });
  return table(t("node.cache"), [[t("cache.what")], [t("cache.value"), "num"]], rows);
}

const keyTable = (sums) => table(t("node.keys"), [[t("requests.key")], [t("figure.requests"), "num"], [t("keys.failures"), "num"], [t("figure.first_byte"), "num"], [t("keys.input"), "num"], [t("keys.output"), "num"], [t("keys.bytes"), "num"], [t("keys.cost"), "num"], [t("keys.spent"), "num"], [t("keys.saved"), "num"]],
  Object.entries(sums).sort((one, two) => two[1].requests - one[1].requests).slice(0, 50).map(([id, each]) => [id, number(each.requests), number(each.failures), `${plainMs(each.first_byte_p50_ms)} / ${plainMs(each.first_byte_p95_ms)}`, number(each.input_tokens), number(each.output_tokens), bytes(each.up_bytes + each.down_bytes), money(each.cost), money(each.spent), money(each.saved)]));

const handTable = (controls) => table(t("node.windows"), [[t("line")], [t("hand.what")]], [
  ...controls.pins.map((pin) => [pin.line, t("pin.pinned", { subject: pin.subject })]),
  ...controls.maintenance.map((each) => [each.line, `${t("maintenance.window", { begins: moment(each.begins), ends: moment(each.ends) })}${each.note ? ` (${each.note})` : ""}`])]);

const auditTable = (entries) => table(t("node.audit"), [[t("audit.at")], [t("audit.who")], [t("audit.what")], [t("audit.target")]],
  entries.map((each) => [moment(each.at, true), [each.who, each.person ? h("small", null, ` ${each.person}`) : null], said("action", each.action), each.target ?? ""]));

