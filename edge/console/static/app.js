// The frame around the pages: sign-in, what is wrong in one sentence, and which page is shown.

import { Refused, get, keep, key, maybe, signOut, watch, waysIn } from "./api.js";
import { fill, h } from "./dom.js";
import { clock } from "./format.js";
import { LANGUAGES, choose, language, t } from "./i18n.js";
import { verdict } from "./verdict.js";
import * as lines from "./pages/lines.js";
import * as paths from "./pages/paths.js";
import * as requests from "./pages/requests.js";
import * as events from "./pages/events.js";
import * as node from "./pages/node.js";
import * as whatif from "./pages/whatif.js";

const PAGES = { lines, paths, requests, events, node, whatif };
const EVERY = 2000; // milliseconds between two looks at the lines

/** What all pages may use: the latest lines, and who wants to hear of events. */
export const state = { lines: null, alerts: [], node: null, out: new Map(), hear: new Set(), seen: new Set() };

let shown = { stop() {} };
let frame, heard, since, who;

async function main() {
  const first = asked(); // under way while the words come
  first.catch(() => {});
  await choose();
  build();
  addEventListener("hashchange", show);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  heard = new AbortController();
  if (await look(first)) begin();
}

function build() {
  const named = (name) => h("a", { href: `#${name}`, "data-page": name }, t(`page.${name}`));
  frame = {
    node: h("span.node"),
    nav: h("nav", { "aria-label": t("nav.pages") }, Object.keys(PAGES).map(named)),
    verdict: h("div.verdict", { id: "verdict", role: "status", "aria-live": "polite" }),
    main: h("main", { id: "main", tabindex: "-1" }),
  };
  const out = h("button.quiet", { type: "button", hidden: !key() && !who?.signed_in, onclick: leave }, t("sign.out"));
  frame.who = h("span.node", { title: who?.issuer ?? "" });
  frame.out = out;
  document.body.replaceChildren(
    h("a.skip", { href: "#main", onclick: (event) => { event.preventDefault(); frame.main.focus(); } }, t("nav.skip")),
    h("header", null, h("span.brand", null, "farline"), frame.node, frame.nav, h("div.tools", null, languages(), theme(), frame.who, out)),
    frame.verdict, frame.main);
  greet();
}

function languages() {
  return h("div.tools", { role: "group", "aria-label": t("nav.language") }, Object.entries(LANGUAGES).map(([code, name]) =>
    h("button.quiet", {
      type: "button", lang: code, "aria-pressed": String(code === language),
      onclick: async () => { await choose(code); build(); show(); look(); },
    }, name)));
}

function theme() {
  const button = h("button.quiet", { type: "button" });
  const dark = () => document.documentElement.dataset.theme === "dark" ||
    (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const name = () => { button.textContent = t(dark() ? "theme.light" : "theme.dark"); };
  button.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("farline.theme", next);
    name();
    show();
  });
  name();
  return button;
}

/** Remembers since when a line has been out: it may change between ejected and probation many times until it is back. */
function follow(event) {
  if (event.type !== "health" || event.kind !== "line") return;
  if (event.after === "admitted") state.out.delete(event.subject);
  else if (event.after === "ejected" && !state.out.has(event.subject)) state.out.set(event.subject, event.at);
}

async function begin() {
  show();
  setInterval(() => { if (!document.hidden) look(); }, EVERY);
  const [past, session] = await Promise.all(
    ["history/events?span=1d&type=health&limit=5000", "session"].map((path) => maybe(path).catch(() => null)));
  past?.events.forEach(follow);
  who = session;
  greet();
  look();
  watch((event) => { follow(event); look(); for (const hear of state.hear) hear(event); }, heard.signal);
}

/** Who is signed in, beside the way out. */
function greet() {
  if (!who?.issuer) return;
  frame.who.textContent = t("sign.who", { name: who.name, role: t(`role.${who.role}`) });
  frame.out.hidden = false;
}

/** What every page begins with: lines, alerts, and once the node. */
const asked = () => Promise.all([get("lines"), get("alerts"), state.node ? null : maybe("nodes")]);

/** Looks at it. False: nobody is signed in. */
async function look(asking = asked()) {
  try {
    const [told, alerts, nodes] = await asking;
    state.lines = told;
    state.alerts = alerts.alerts;
    if (nodes) state.node = nodes.nodes[0];
    since = null;
    frame.node.textContent = state.node?.name ?? "";
    tell(verdict(told, alerts.alerts, state.out));
    for (const see of state.seen) see();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status === 401) {
      signIn(key() ? t("sign.unknown") : "");
      keep(null);
      return false;
    }
    if (error.status === 403) tell([{ level: "bad", text: error.message }]);
    else if (error.status !== 429) {
      since ??= Date.now() / 1000;
      tell([{ level: "bad", text: t("verdict.silent", { at: clock(since) }) }]);
    }
  }
  return true;
}

function tell(sentences) {
  const level = sentences[0].level;
  frame.verdict.dataset.level = level;
  fill(frame.verdict, sentences.map((each) => h("p", { "data-level": each.level }, each.text)));
  const title = sentences[0].text;
  document.title = `${level === "good" ? "" : "! "}${state.node?.name ?? "farline"}: ${title}`;
}

function show() {
  shown.stop?.();
  state.hear.clear();
  state.seen.clear();
  const name = location.hash.slice(1).split("/")[0] || "lines";
  const page = PAGES[name] ?? lines;
  for (const link of frame.nav.children) {
    if (link.dataset.page === (name in PAGES ? name : "lines")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const view = h("div");
  frame.main.replaceChildren(h("h1.hidden", null, t(`page.${name in PAGES ? name : "lines"}`)), view);
  shown = page.show(view, state, location.hash.slice(1).split("/").slice(1).map(decodeURIComponent)) ?? { stop() {} };
}

async function signIn(problem) {
  const issuer = await waysIn();
  const failed = /^#sign-in-(\w+)$/.exec(location.hash)?.[1];
  if (failed) history.replaceState(null, "", location.pathname);
  const told = problem || (failed ? t(`sign.failed.${failed}`) : "");
  const field = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true });
  const form = h("form.sign", { onsubmit: (event) => { event.preventDefault(); keep(field.value.trim()); location.reload(); } },
    h("h1", null, t("sign.title")),
    told ? h("p.wrong", { role: "alert" }, told) : null,
    issuer ? h("p", null, h("a.main", { href: "console/sign-in" }, t("sign.with", { issuer: new URL(issuer).host }))) : null,
    h("label", { for: "key" }, t("sign.key")), field,
    h("p.note", null, t("sign.note")),
    h(issuer ? "button" : "button.main", { type: "submit" }, t("sign.in")));
  frame.verdict.replaceChildren();
  delete frame.verdict.dataset.level;
  frame.main.replaceChildren(form);
  frame.nav.hidden = true;
  (form.querySelector("a.main") ?? field).focus();
}

async function leave() {
  heard.abort();
  if (key()) keep(null);
  else await signOut();
  location.reload();
}

main();
