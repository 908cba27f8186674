// Chooses a voice for each speaker, and deletes uploaded ones.

import { deleteVoice, listVoices } from "./voices.js";

const OWN = ""; // the model's own voice

/**
 * `<dia-voices>`: `show(api, settings, report)` once. `value` is {S1: name, …} of the speakers with a chosen voice.
 * Dispatches `choose`.
 */
export class VoiceChoice extends HTMLElement {
  #own = [];

  async show(api, settings, report) {
    Object.assign(this, { api, settings, report });
    for (const select of this.#selects) select.addEventListener("change", () => this.#chosen());
    for (const button of this.querySelectorAll(".delete")) {
      button.addEventListener("click", () => this.#delete(this.#select(button.dataset.speaker).value));
    }
    await this.refresh();
  }

  get value() {
    const chosen = this.#selects.filter(({ value }) => value !== OWN);
    return Object.fromEntries(chosen.map((select) => [select.dataset.speaker, select.value]));
  }

  /** List the voices again; `chosen` is selected for the first speaker who has the model's own voice. */
  async refresh(chosen = null) {
    const { examples, own } = await listVoices(this.api, this.settings);
    this.#own = own;
    for (const select of this.#selects) {
      const { value } = select;
      const groups = [...group("Yours", own), ...group("Examples", examples)];
      select.replaceChildren(new Option("The model's own", OWN), ...groups);
      select.value = [...examples, ...own].includes(value) ? value : OWN;
    }
    const free = this.#selects.find(({ value }) => value === OWN) ?? this.#selects[0];
    if (chosen !== null) free.value = chosen;
    this.#chosen();
  }

  get #selects() {
    return [...this.querySelectorAll("select")];
  }

  #select(speaker) {
    return this.#selects.find((select) => select.dataset.speaker === speaker);
  }

  #chosen() {
    for (const button of this.querySelectorAll(".delete")) {
      const { value } = this.#select(button.dataset.speaker);
      button.hidden = !this.#own.includes(value);
      button.ariaLabel = `Delete the voice ${value}`;
    }
    this.dispatchEvent(new Event("choose"));
  }

  async #delete(name) {
    if (!confirm(`Delete the voice ${name}? This cannot be undone.`)) return;
    try {
      await deleteVoice(this.api, name);
      await this.refresh();
      this.report(`The voice ${name} is deleted.`);
    } catch (error) {
      this.report(error);
    }
  }
}

customElements.define("dia-voices", VoiceChoice);

function group(label, names) {
  if (!names.length) return [];
  const made = Object.assign(document.createElement("optgroup"), { label });
  made.append(...names.map((name) => new Option(name, name)));
  return [made];
}
