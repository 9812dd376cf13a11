// Words. Each language is one file in i18n/; a sentence's parts in braces are filled in.

export const LANGUAGES = { en: "English", zh: "中文" };

let words = {};
export let language = "en";

export async function choose(wanted) {
  const found = wanted ?? localStorage.getItem("farline.language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
  language = found in LANGUAGES ? found : "en";
  if (wanted) localStorage.setItem("farline.language", language);
  words = await (await fetch(`console/i18n/${language}.json`)).json();
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

/** `t("verdict.fine", {n: 3})`. With `n`, `key.one` is taken for 1 if there is one. */
export function t(key, values = {}) {
  const text = (String(values.n) === "1" ? words[`${key}.one`] : undefined) ?? words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export const knows = (key) => key in words;

/** What the node says in its own words: translated where the dictionary has it. */
export const said = (prefix, word) => (knows(`${prefix}.${word}`) ? t(`${prefix}.${word}`) : word);
