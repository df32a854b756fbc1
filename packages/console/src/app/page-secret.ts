/**
 * The secret that came with the reader's sign-in, in the address's fragment, and that each request
 * of these pages carries. Pages of other ports of this host receive the cookie, but cannot read
 * this: storage belongs to one origin.
 */
const STORED_AS = 'holdfast-page';
const FRAGMENT = /^#page=([\w-]{43})$/;

/** Where storage is forbidden, the secret lasts as long as the page. */
let current: string | null = null;

/** Takes the secret out of the address, before it can be seen or copied. */
function take(): void {
  const [, secret] = FRAGMENT.exec(window.location.hash) ?? [];
  if (secret === undefined) return;
  const { pathname, search } = window.location;
  window.history.replaceState(window.history.state, '', pathname + search);
  current = secret;
  try {
    window.localStorage.setItem(STORED_AS, secret);
  } catch {
    // The reader's browser keeps nothing: the next page asks for a sign-in.
  }
}

export function pageSecret(): string | null {
  try {
    return window.localStorage.getItem(STORED_AS) ?? current;
  } catch {
    return current;
  }
}

export function forgetPageSecret(): void {
  current = null;
  try {
    window.localStorage.removeItem(STORED_AS);
  } catch {
    // Without storage there is nothing to remove.
  }
}

if (typeof window !== 'undefined') take();
