// Shows how the script is read while it is written: spoken words, length, warnings.

import { preview } from "../server/speech.js";

const WAIT = 250; // milliseconds without typing

/**
 * `<dia-reading>`: `watch(api, body)` once, then `refresh()` after changes. `body()` is the request.
 * Dispatches `read`.
 */
export class Reading extends HTMLElement {
  #timer = 0;
  #abort = null;

  watch(api, body) {
    Object.assign(this, { api, body });
  }

  refresh() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#read(), WAIT);
  }

  async #read() {
    this.#abort?.abort();
    this.#abort = new AbortController();
    const body = this.body();
    if (!body.input.trim()) {
      this.#show({ turns: [], warnings: [], names: {} }, "Write a script to see how it is read.");
      return;
    }
    try {
      this.#show(await preview(this.api, body, this.#abort.signal));
    } catch (error) {
      if (error.name !== "AbortError") this.#fail(error);
    }
  }

  #show(read, summary = `About ${duration(read.estimated_seconds)}`) {
    this.querySelector(".summary").textContent = summary;
    this.querySelector(".error").textContent = "";
    this.#list(".warnings", read.warnings.map((text) => item(text)));
    this.#list(".turns", read.turns.flatMap((turn) => turnItems(turn)));
    this.dispatchEvent(new CustomEvent("read", { detail: read }));
  }

  #fail(error) {
    this.querySelector(".summary").textContent = "";
    this.querySelector(".error").textContent = error.message;
    this.#list(".warnings", []);
  }

  /** Replace a list; one that is the same is left alone, so that screen readers do not repeat it. */
  #list(selector, items) {
    const list = this.querySelector(selector);
    if (list.textContent !== items.map((one) => one.textContent).join("")) list.replaceChildren(...items);
  }
}

customElements.define("dia-reading", Reading);

function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  return whole === 1 ? "1 second" : `${whole} seconds`;
}

function turnItems(turn) {
  const spoken = item(turn.spoken);
  spoken.dataset.speaker = turn.speaker;
  spoken.prepend(Object.assign(document.createElement("span"), { className: "chip", textContent: turn.speaker }));
  if (!turn.pause_seconds) return [spoken];
  const pause = item(`pause of ${Number(turn.pause_seconds.toFixed(2))} s`);
  pause.className = "pause";
  return [spoken, pause];
}

function item(text) {
  return Object.assign(document.createElement("li"), { textContent: text });
}
