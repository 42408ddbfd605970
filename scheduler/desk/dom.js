// Nodes from data. Text becomes text nodes and nothing else: there is no way through here from a value to markup.

/** An element. `props`: `class`, `on: {event: handler}`, `data: {…}`; booleans are set or left out; all else is an attribute. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'class') node.className = value;
    else if (name === 'on') for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name === 'value') node.value = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A key as it stands on the keyboard. The name is in the button's text: this is for the eye. */
export function kbd(key) {
  return h('kbd', { 'aria-hidden': 'true' }, key);
}

export function only(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

let last = 0;
/** An id for a label and its field. */
export function freshId(prefix) {
  last += 1;
  return `${prefix}-${last}`;
}
