/** What can go wrong between a page and the server, and whether it is worth trying again. */

/** The server refused a request (RFC 9457 problem+json): its own words, and the status. */
export class ServerError extends Error {
  name = "ServerError";

  /**
   * @param {number} status
   * @param {{title?: string, detail?: string, errors?: object, cure?: string}} problem
   * @param {number | null} retryAfterMs
   */
  constructor(status, problem = {}, retryAfterMs = null) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed later: the server is starting, full or gone, not of another opinion. */
  get passing() {
    return [408, 425, 429, 500, 502, 504].includes(this.status) || (this.status === 503 && !this.problem.cure);
  }
}

/** There is no connection, or it broke. */
export class ConnectionError extends Error {
  name = "ConnectionError";
  passing = true;
}

/** No WebSocket could be opened: the server has none, is away, or something before it lets none through. */
export class NoWebSocketError extends Error {
  name = "NoWebSocketError";
  passing = true;

  constructor(message = "the server opened no WebSocket") {
    super(message);
  }
}

/** The recording ended before its plan, or nothing could be learned from it: says which, and why. */
export class TeachingError extends Error {
  name = "TeachingError";
}

/**
 * Passes an answer that is well, and throws what is wrong with another.
 *
 * @param {Response} answer
 * @throws {ServerError}
 */
export async function expectOk(answer) {
  if (answer.ok) return;
  const problem = await answer.json().catch(() => null); // a proxy's error page is no JSON
  const seconds = Number(answer.headers.get("Retry-After") ?? NaN);
  throw new ServerError(answer.status, problem ?? {}, Number.isFinite(seconds) ? seconds * 1000 : null);
}

/** `fetch` and reading fail with a bare TypeError where there is no connection, whatever the reason. */
export function asConnectionError(error) {
  if (!(error instanceof TypeError)) return error;
  return new ConnectionError("the server cannot be reached, or does not allow this page's origin", { cause: error });
}

/** An error as a message to another thread; a clone would lose its class. */
export function packed(error) {
  const { message, status, problem, retryAfterMs, passing } = error;
  return status === undefined ? { message, passing } : { status, problem, retryAfterMs };
}

/** The error that was packed. */
export function unpacked({ message, passing, status, problem, retryAfterMs }) {
  if (status !== undefined) return new ServerError(status, problem, retryAfterMs);
  return passing ? new ConnectionError(message) : new Error(message);
}
