// @ts-check
/** Small helpers for the page's elements. */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * Sets a text only when it changed, so that screen readers and selections are left alone.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} text
 * @param {string} [testid]
 */
export function make(tag, className, text, testid) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  if (testid) element.dataset.testid = testid;
  return element;
}
