// Elements made and kept in step with data. Text is always set as text: nothing that the server says becomes markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("td", { class: "number" }, "12")`. `on…` listens; `false`, `null` and `undefined` are left out. */
export function h(tag, attributes = {}, ...children) {
  return dressed(document.createElement(tag), attributes, children);
}

/** The same for parts of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return dressed(document.createElementNS(SVG, tag), attributes, children);
}

function dressed(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Set text only when it differs: screen readers and the layout are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/**
 * Make the children of `parent` those of `items`, in their order; the element of a key is kept and moved.
 *
 * `make(item)` returns an element whose `update(item)` shows a newer item of the same key.
 */
export function keep(parent, items, keyOf, make) {
  const elements = parent.keptElements ?? (parent.keptElements = new Map()); // key -> element
  const wanted = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    wanted.add(key);
    let element = elements.get(key);
    if (element === undefined) {
      element = make(item);
      elements.set(key, element);
    }
    element.update?.(item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const [key, element] of elements) {
    if (wanted.has(key)) continue;
    element.remove();
    elements.delete(key);
  }
}

/** The children of `parent` made anew of `items`, unless these are what it shows already. */
export function fill(parent, items, make) {
  const told = JSON.stringify(items);
  if (parent.filledWith === told) return;
  parent.filledWith = told;
  parent.replaceChildren(...items.map(make));
}

/** The buttons of `group`, of which one is pressed: `picked` hears its `data-filter`. */
export function onFilter(group, picked) {
  const chips = [...group.children];
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      for (const other of chips) other.setAttribute("aria-pressed", String(other === chip));
      picked(chip.dataset.filter);
    });
  }
}

/** Show what is there or, while nothing is, the words of what will appear (`.empty` beside it). */
export function showEmpty(section, isEmpty) {
  section.toggleAttribute("data-empty", isEmpty);
}
