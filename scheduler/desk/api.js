// Calls of the desk's JSON API. Every call but `session` and `look` carries the session's token against forgery.

const TIMEOUT_MS = 20_000;

export class ApiError extends Error {
  constructor(status, reason, message, retryAfter = 0) {
    super(message || reason || `HTTP ${status}`);
    this.status = status;
    this.reason = reason || '';
    this.retryAfter = retryAfter;
  }

  /** Nobody answered, or somebody who cannot just now. The same call may be made again. */
  get passing() {
    return [0, 408, 429, 502, 503, 504].includes(this.status);
  }
}

export class Api {
  constructor({ base = '/desk/api/', fetch = globalThis.fetch.bind(globalThis), onSignedOut = () => {} } = {}) {
    this.base = base;
    this.fetch = fetch;
    this.csrf = '';
    this.onSignedOut = onSignedOut;
  }

  async session() {
    const session = await this.#ask('session', { method: 'GET' });
    this.csrf = session.csrf;
    return session;
  }

  /** Asks for what may be looked at; changes nothing. */
  look(path) {
    return this.#ask(path, { method: 'GET' });
  }

  call(method, body = {}, { keepalive = false } = {}) {
    return this.#ask(method, {
      method: 'POST',
      keepalive,
      headers: { 'Content-Type': 'application/json', 'x-emend-csrf': this.csrf },
      body: JSON.stringify(body),
    });
  }

  /** Said while the page goes away; nobody is there to hear the answer. */
  parting(method, body) {
    this.call(method, body, { keepalive: true }).catch(() => {});
  }

  async #ask(method, init) {
    const { response, text } = await this.#fetch(method, init);
    const answer = parse(text);
    if (response.ok) return answer ?? {};
    const after = Number(answer?.retry_after ?? response.headers.get('retry-after')) || 0;
    const error = new ApiError(response.status, answer?.reason, answer?.message, after);
    if (error.status === 401) this.onSignedOut();
    throw error;
  }

  async #fetch(method, init) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
    try {
      const response = await this.fetch(this.base + method, {
        ...init,
        credentials: 'same-origin',
        cache: 'no-store',
        // A redirect to the login page would otherwise be read as an answer.
        redirect: 'error',
        signal: stop.signal,
      });
      // An answer that breaks off in the middle is none: the same call is made again.
      return { response, text: await response.text() };
    } catch (cause) {
      throw new ApiError(0, 'NETWORK', String(cause));
    } finally {
      clearTimeout(timer);
    }
  }
}

function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

/** An id for a call that may be sent twice. `randomUUID` is not there on plain http. */
export function requestId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
