// Single-key shortcuts, and the cases in which a key is not one.
//
// Vietnamese is typed with input methods that compose (`a` `s` becomes `á`): while text is typed no key is a shortcut.

const TEXT_TYPES = new Set(['text', 'search', 'password', 'email', 'tel', 'url', 'number', 'date', '']);

/** Whether an element takes text. */
export function takesText(element) {
  if (!element) return false;
  const tag = element.tagName?.toLowerCase();
  if (tag === 'textarea' || tag === 'select' || element.isContentEditable) return true;
  return tag === 'input' && TEXT_TYPES.has(element.type ?? 'text');
}

/** Whether an input method is at work on this key. 229 is what browsers say that do not set `isComposing` in time. */
export function isComposing(event) {
  return Boolean(event.isComposing) || event.keyCode === 229 || event.key === 'Process' || event.key === 'Dead';
}

/**
 * The shortcut that a key means: a lower-case ASCII character or `enter`; null for none. Keyboards with a Vietnamese layout
 * have letters on the digit keys, so there the key's place counts.
 */
export function shortcutOf(event) {
  if (isComposing(event) || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return null;
  if (event.key === 'Enter') return 'enter';
  if (/^[\x21-\x7e]$/.test(event.key ?? '')) return event.key.toLowerCase();
  const place = /^(?:Key([A-Z])|Digit([0-9])|Numpad([0-9]))$/.exec(event.code ?? '');
  return place ? (place[1] ?? place[2] ?? place[3]).toLowerCase() : null;
}

/** Listens on `root`; `actions[key](event)` acts. `isBusy()` says that something modal has the keyboard. */
export function listen(root, actions, isBusy) {
  let composing = false;
  root.addEventListener('compositionstart', () => {
    composing = true;
  });
  root.addEventListener('compositionend', () => {
    // Some browsers end the composition before the key that ended it: that key is still the input method's.
    setTimeout(() => {
      composing = false;
    });
  });
  root.addEventListener('keydown', (event) => {
    if (composing || event.defaultPrevented || isBusy()) return;
    const key = shortcutOf(event);
    if (!key) return;
    if (takesText(event.target)) {
      if (key !== 'enter' || !event.target.matches('[data-enter]')) return;
    } else if (key === 'enter' && event.target.closest?.('button, a, summary, select')) {
      return;
    }
    const act = actions[key];
    if (!act) return;
    event.preventDefault();
    act(event);
  });
}
