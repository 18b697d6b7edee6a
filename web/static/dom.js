// @ts-check
/** Makes elements; texts are never read as HTML. */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * @param {string} tag `td.end` makes a td of class end
 * @param {Record<string, any>} [props] `onClick` listens; `data-…`, `aria-…` and the like are attributes
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2).toLowerCase(), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Child[]} children
 */
function add(element, children) {
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) {
      element.append(child instanceof Node ? child : String(child));
    }
  }
}

/**
 * Puts new children in the place of the old ones.
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * A table whose body may be empty.
 * @param {string} caption for screen readers
 * @param {string[]} heads
 * @param {Child[][]} rows
 * @param {string} [none] what is said of no rows
 */
export function table(caption, heads, rows, none = "—") {
  const body = rows.length
    ? rows.map((cells) => h("tr", {}, ...cells.map((cell) => h("td", {}, cell))))
    : [h("tr", {}, h("td", { colspan: heads.length }, none))];
  return h(
    "table",
    {},
    h("caption.unseen", {}, caption),
    h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, ...body),
  );
}
