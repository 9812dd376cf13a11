// What fires, what nobody is told of for a while, and the knobs of that: a part of the page Node.

import { ask } from "../api.js";
import { dialog, fill, h, table } from "../dom.js";
import { UNKNOWN, lasting, moment, number } from "../format.js";
import { said, t } from "../i18n.js";
import { act } from "./lines.js";

/** Shows what the API told; `again` asks it anew. Who stands on a button stays there, though figures change. */
export function showAlerts(body, told, again) {
  const focused = body.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  fill(body, told.alerts.length ? firing(told.alerts, again) : h("p.quiet", null, t("node.no_alerts")),
    told.silences.length ? silences(told.silences, again) : null);
  if (focused) body.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

const firing = (alerts, again) => table(t("node.alerts"), [[t("alerts.rule")], [t("alerts.subject")], [t("alerts.severity")], [t("alerts.value"), "num"], [t("alerts.firing"), "num"], [t("alerts.told")]],
  alerts.map((each) => [each.rule, each.subject || UNKNOWN, said("severity", each.severity), number(each.value, 2), lasting(each.firing_seconds), each.silenced ? t("silence.silenced")
    : button(t("silence.button"), t("silence.of", { rule: each.rule, subject: each.subject || t("verdict.node") }), () => silence(each.rule, each.subject || "*", again))]));

const silences = (told, again) => table(t("silence.title"), [[t("silence.title")], [t("alerts.subject")], [t("silence.ends")], [t("maintenance.note")], [t("silence.button")]],
  told.map(({ rule, subject, ends, note }) => [rule, subject, moment(ends, true), note,
    button(t("silence.end"), t("silence.end_of", { rule, subject }), async () => await act(ask("DELETE", `silences?${new URLSearchParams({ rule, subject })}`)) && again())]));

const button = (text, label, onclick) => h("button", { type: "button", "aria-label": label, onclick }, text);

/** Asks for how long and why. */
function silence(rule, subject, again) {
  const minutes = h("input", { id: "minutes", type: "number", min: "1", max: "44640", value: "120", required: true });
  const note = h("input", { id: "note", maxlength: "256", autocomplete: "off" });
  dialog(t("silence.question", { rule, subject }), (close) => h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      close();
      if (await act(ask("POST", "silences", { rule, subject, minutes: Number(minutes.value), note: note.value }))) again();
    },
  }, h("p", null, t("silence.text")), h("label", { for: "minutes" }, t("maintenance.minutes")), minutes, h("label", { for: "note" }, t("maintenance.note")), note,
  h("div.buttons", null, h("button.main", { type: "submit" }, t("silence.button")), h("button", { type: "button", onclick: close }, t("cancel")))));
}
