/** One server's JSON routes, with the key where there is one. */

import { asConnectionError, expectOk } from "./client_errors.js";

const KEY = "myostream-key "; // and the origin that it is for; in the tab's own storage: gone with the tab
const PATIENCE_MS = 5000;

/** Where a request to that address goes: a key that was entered for one origin is none of another's business. */
function originOf(address) {
  try {
    return new URL(address, window.location.href).origin;
  } catch {
    return address; // nobody can be asked there
  }
}

/** Asks the server; raises ServerError or ConnectionError. */
export class Server {
  /** @param {string} url  "" for the page's own */
  constructor(url = "") {
    this.url = url;
    this.place = KEY + originOf(this.address);
    this.key = sessionStorage.getItem(this.place) ?? "";
    this.scopes = null; // of the key, as the server has said them; null: it asks for none, or has not said
  }

  /** Whether the key opens what needs that scope; what is not known yet is tried. */
  may(scope) {
    return this.scopes === null || this.scopes.includes(scope);
  }

  /** The address as a person would write it. */
  get address() {
    return this.url || window.location.origin;
  }

  use(key) {
    [this.key, this.scopes] = [key, null];
    if (key) sessionStorage.setItem(this.place, key);
    else sessionStorage.removeItem(this.place);
  }

  get(path, patienceMs) {
    return this.#json("GET", path, undefined, patienceMs);
  }

  post(path, body) {
    return this.#json("POST", path, body);
  }

  /** Files, as a form. */
  async upload(path, form, patienceMs) {
    return (await this.#ask("POST", path, form, patienceMs)).json();
  }

  put(path, body, patienceMs) {
    return this.#json("PUT", path, body, patienceMs);
  }

  /** Null where the server has nothing to say to it. */
  async delete(path, patienceMs) {
    const answer = await this.#ask("DELETE", path, undefined, patienceMs);
    return answer.status === 204 ? null : answer.json();
  }

  /** A file, as a Blob. */
  async file(path) {
    return (await this.#ask("GET", path, undefined, 120_000)).blob();
  }

  async #json(method, path, body, patienceMs) {
    return (await this.#ask(method, path, body, patienceMs)).json();
  }

  async #ask(method, path, body, patienceMs = PATIENCE_MS) {
    const { key } = this;
    const form = body instanceof FormData; // the browser says its type, which has the boundary
    const headers = {
      ...(key && { "X-API-Key": key }),
      ...(body !== undefined && !form && { "Content-Type": "application/json" }),
    };
    const signal = AbortSignal.timeout(patienceMs);
    const text = body === undefined || form ? body : JSON.stringify(body);
    const asked = fetch(`${this.url}${path}`, { method, headers, body: text, cache: "no-store", signal });
    const answer = await asked.catch((error) => {
      throw error.name === "TimeoutError" ? asConnectionError(new TypeError("late")) : asConnectionError(error);
    });
    if (this.key === key) this.scopes = answer.headers.get("X-API-Key-Scopes")?.split(", ") ?? null;
    await expectOk(answer);
    return answer;
  }
}
