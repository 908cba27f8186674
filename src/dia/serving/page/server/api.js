// Calls the server's routes: the API key, JSON and the shape of errors. Independent of what the routes do.

import { tab } from "../storage.js";

const KEY = "dia-api-key";

/** An error that the server reported, or that kept a request from it (status 0). */
export class ApiError extends Error {
  constructor(message, { status = 0, code = "", param = null } = {}) {
    super(message);
    Object.assign(this, { name: "ApiError", status, code, param });
  }
}

/** The routes of the server that the page comes from. `askKey` resolves to an API key, or null if there is none. */
export class Api {
  constructor(askKey) {
    this.askKey = askKey;
  }

  async json(path, options = {}) {
    const response = await this.send(path, options);
    return response.json();
  }

  post(path, body, options = {}) {
    const headers = { "content-type": "application/json" };
    return this.send(path, { ...options, method: "POST", headers, body: JSON.stringify(body) });
  }

  /** The response of a route, once it has succeeded. Asks for the key if the server wants one. */
  async send(path, options = {}) {
    for (;;) {
      const response = await request(path, options);
      if (response.ok) return response;
      const error = await errorOf(response);
      if (response.status !== 401) throw error;
      const key = await this.askKey(tab.get(KEY) !== null);
      if (key === null) throw error;
      tab.set(KEY, key);
    }
  }
}

async function request(path, options) {
  const key = tab.get(KEY);
  const headers = { ...options.headers, ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
  try {
    return await fetch(new URL(path, document.baseURI), { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached. Check that it still runs, and try again.");
  }
}

async function errorOf(response) {
  try {
    const { error } = await response.json();
    return new ApiError(error.message, { status: response.status, code: error.code, param: error.param });
  } catch {
    return new ApiError(`The server answered with status ${response.status}.`, { status: response.status });
  }
}
