// Elements from values. Text is always text: nothing that the node says is ever parsed as HTML.

/** `h("p.note", {title: "…", onclick: f}, child, …)`; children are nodes, texts, arrays of them, or null. */
export function h(what, properties, ...children) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag || "div");
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(properties ?? {})) set(made, name, value);
  return add(made, children);
}

/** The same for SVG. */
export function svg(tag, properties, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties ?? {})) made.setAttribute(name, value);
  return add(made, children);
}

function set(made, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
  else if (name === "style") for (const [key, each] of Object.entries(value)) made.style.setProperty(key, each);
  else if (name in made && typeof value !== "string") made[name] = value;
  else made.setAttribute(name, value === true ? "" : value);
}

function add(made, children) {
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== false) made.append(child);
  return made;
}

/** Replaces all children, unless nothing would change: focus, selection and a reader's place stay. */
export function fill(parent, ...children) {
  const next = h("div", null, children);
  if (parent.innerHTML !== next.innerHTML) parent.replaceChildren(...next.childNodes);
  return parent;
}

/** A dialog that is there until it is closed; `build(close)` gives its content. Escape closes it. */
export function dialog(title, build) {
  const made = h("dialog", { "aria-label": title });
  const close = () => made.close();
  made.append(h("h2", null, title), build(close));
  made.addEventListener("close", () => made.remove());
  document.body.append(made);
  made.showModal();
  return made;
}

/** A table with a caption for those who can't see where it stands. `columns`: [text, class?]; `rows`: arrays of cells. */
export function table(caption, columns, rows, properties) {
  return h("div.scroll", { tabindex: "0", role: "region", "aria-label": caption },
    h("table", properties, h("caption.hidden", null, caption),
      h("thead", null, h("tr", null, columns.map(([text, kind]) => h(kind ? `th.${kind}` : "th", { scope: "col" }, text)))),
      h("tbody", null, rows.map((row) => row instanceof Node ? row : tr(row, columns)))));
}

export function tr(cells, columns, properties) {
  return h("tr", properties, cells.map((cell, index) => {
    const kind = columns[index]?.[1];
    return h(`${index === 0 ? "th" : "td"}${kind ? `.${kind}` : ""}`, index === 0 ? { scope: "row" } : null, cell);
  }));
}
