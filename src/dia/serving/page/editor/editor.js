// The script editor: a text area over the same text in colors. Independent of the server.

import { pieces } from "./marks.js";

/** `<dia-editor>`: set `sounds`, then `value`. Dispatches `input` as its text area does. */
export class Editor extends HTMLElement {
  sounds = [];
  #names = {};
  #spoken = null;

  connectedCallback() {
    this.area = this.querySelector("textarea");
    this.colors = this.querySelector(".colors");
    this.area.addEventListener("input", () => this.#draw());
  }

  get value() {
    return this.area.value;
  }

  set value(text) {
    this.area.value = text;
    this.#draw();
  }

  /** Names that count as tags, such as {JOHN: "S1"}. */
  set names(names) {
    this.#names = names;
    this.#draw();
  }

  /** The range [start, end] that is spoken at the moment, or null. */
  set spoken(range) {
    this.#spoken = range;
    this.#draw();
  }

  /** Insert a mark at the cursor with spaces around it, so that it can be undone. */
  insert(mark) {
    const { selectionStart: start, selectionEnd: end, value } = this.area;
    const before = start && !/\s/.test(value[start - 1]) ? (mark.startsWith("[S") ? "\n" : " ") : "";
    const text = `${before}${mark}${/\s/.test(value[end] ?? "") ? "" : " "}`;
    this.area.focus();
    // Without execCommand, which has no successor, the browser's undo forgets what was typed before.
    if (!document.execCommand("insertText", false, text)) {
      this.area.setRangeText(text, start, end, "end");
      this.area.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  #draw() {
    const [from, to] = this.#spoken ?? [0, 0];
    const nodes = pieces(this.value, this.sounds, this.#names).map((piece) => {
      const node = document.createElement("span");
      node.dataset.speaker = piece.speaker;
      node.className = piece.kind;
      node.classList.toggle("spoken", piece.start < to && piece.start + piece.text.length > from);
      node.textContent = piece.text;
      return node;
    });
    this.colors.replaceChildren(...nodes, "\n");
  }
}

customElements.define("dia-editor", Editor);
