// Shows one take: playing it, its picture, its turns, what is wrong with it, and what can be done with it.

import { Player } from "../audio/player.js";
import { addDownloads } from "./downloads.js";
import { turnAt } from "./turns.js";
import "./wave-view.js";

const STATES = { speaking: "Speaking…", done: "", stopped: "Stopped", failed: "" };

/**
 * `<dia-take>`: `show(take, settings)` once. Dispatches `retry`, `again`, `reuse`, `remove`, `playing`, `turn` and
 * `report`.
 */
export class TakeCard extends HTMLElement {
  #turn = -1;

  show(take, settings) {
    this.take = take;
    this.player = new Player(take.clip);
    this.replaceChildren(document.getElementById("take").content.cloneNode(true));
    this.#find("h3").textContent = `Take ${take.number}`;
    this.#find(".seed").textContent = take.seed;
    this.#find("dia-wave").show(take, this.player);
    addDownloads(this.#find(".downloads"), take, settings.formats, (message) => this.#tell("report", message));
    for (const name of ["retry", "again", "reuse", "remove"]) {
      this.#find(`.${name}`).addEventListener("click", () => this.#tell(name));
    }
    const toggle = () => (this.player.wanted ? this.player.pause() : this.player.play());
    this.#find(".play").addEventListener("click", toggle);
    take.addEventListener("change", () => this.#update());
    this.player.addEventListener("change", () => this.#playerChanged());
    take.clip.addEventListener("grow", () => this.#showTime());
    this.#update();
  }

  #find(selector) {
    return this.querySelector(selector);
  }

  #tell(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }

  #update() {
    const { state, error, warnings, turns } = this.take;
    this.dataset.state = state;
    this.#find(".state").textContent = STATES[state];
    this.#find(".error").textContent = error?.message ?? "";
    this.#find(".warnings").replaceChildren(...warnings.map((text) => made("li", text)));
    this.#find(".turns").replaceChildren(...turns.map((turn) => this.#turnItem(turn)));
    this.#find(".save").hidden = state === "speaking" || !this.take.clip.length;
    for (const button of this.querySelectorAll(".downloads button")) {
      button.disabled = state !== "done" && button.dataset.kind !== "wav";
    }
    this.#turn = -1;
    this.#showTime();
    this.#playerChanged();
  }

  #turnItem(turn) {
    const button = made("button", turn.text);
    button.type = "button";
    button.prepend(made("span", turn.speaker, "chip"));
    button.addEventListener("click", () => this.player.seek(turn.start));
    const item = made("li");
    item.dataset.speaker = turn.speaker;
    item.append(button);
    return item;
  }

  #playerChanged() {
    const button = this.#find(".play");
    button.ariaLabel = `${this.player.wanted ? "Pause" : "Play"} take ${this.take.number}`;
    button.classList.toggle("playing", this.player.wanted);
    button.disabled = !this.take.clip.length && this.take.state !== "speaking";
    this.#frame();
    this.#tell("playing", this.player.wanted);
  }

  #frame() {
    cancelAnimationFrame(this.frame);
    this.#showTime();
    this.#find("dia-wave").move(this.player.position);
    this.#showTurn();
    if (this.player.wanted && this.isConnected) this.frame = requestAnimationFrame(() => this.#frame());
  }

  #showTime() {
    const time = `${this.player.position.toFixed(1)} / ${this.take.clip.seconds.toFixed(1)} s`;
    const label = this.#find(".time");
    if (label.textContent !== time) label.textContent = time;
  }

  #showTurn() {
    const now = this.player.wanted ? turnAt(this.take.turns, this.player.position) : -1;
    if (now === this.#turn) return;
    this.#turn = now;
    [...this.#find(".turns").children].forEach((item, index) => (item.ariaCurrent = index === now ? "true" : null));
    this.#tell("turn", now < 0 ? null : this.take.turns[now].range);
  }
}

customElements.define("dia-take", TakeCard);

function made(name, text = "", className = "") {
  return Object.assign(document.createElement(name), { textContent: text, className });
}
