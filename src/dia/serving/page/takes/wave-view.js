// Draws the waveform and the spectrogram of a take with its playback position, and is the slider to move it.

import { Analysis, BANDS } from "../audio/analysis.js";

const STEP = 1; // seconds of an arrow key
const QUIET = 0.02; // the height of silence, so that there is a line

/** `<dia-wave>`: `show(take, player)` once. */
export class WaveView extends HTMLElement {
  #pending = false;

  show(take, player) {
    Object.assign(this, { take, player, analysis: new Analysis(take.clip) });
    this.replaceChildren(...["wave", "spectrum"].map((name) => canvas(name)), element("div", "playhead"));
    const { role, tabIndex } = { role: "slider", tabIndex: 0 };
    Object.assign(this, { role, tabIndex, ariaLabel: `Position in take ${take.number}`, ariaValueMin: "0" });
    for (const name of ["grow", "end"]) take.clip.addEventListener(name, () => this.redraw());
    take.addEventListener("change", () => this.redraw());
    this.addEventListener("pointerdown", (event) => this.#point(event));
    this.addEventListener("pointermove", (event) => event.buttons && this.#point(event));
    this.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.redraw()).observe(this);
    document.addEventListener("themechange", () => this.redraw());
  }

  /** Move the playhead. */
  move(seconds) {
    const all = this.take.seconds || 1;
    this.querySelector(".playhead").style.translate = `${100 * Math.min(1, seconds / all)}% 0`;
    const [now, max] = [seconds.toFixed(1), all.toFixed(1)];
    if (this.ariaValueNow === now && this.ariaValueMax === max) return;
    Object.assign(this, { ariaValueNow: now, ariaValueMax: max, ariaValueText: `${now} of ${max} seconds` });
  }

  /** Draw before the next frame, however often it is called until then. */
  redraw() {
    if (this.#pending || !this.isConnected) return;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      this.analysis.update();
      this.#draw();
      this.move(this.player.position);
    });
  }

  #draw() {
    const [wave, spectrum] = this.querySelectorAll("canvas");
    const style = getComputedStyle(this);
    const width = Math.max(1, Math.round(wave.clientWidth * devicePixelRatio));
    const columns = (x) => (x * this.take.seconds) / width / this.analysis.secondsPerColumn;
    this.#drawWave(sized(wave, width, wave.clientHeight * devicePixelRatio), columns, style);
    this.#drawSpectrum(sized(spectrum, width, BANDS), columns, style);
  }

  #drawWave(context, columns, style) {
    const { width, height } = context.canvas;
    const colors = { S1: style.getPropertyValue("--s1"), S2: style.getPropertyValue("--s2") };
    const turns = this.take.turns;
    let turn = 0;
    for (let x = 0; x < width && columns(x) < this.analysis.columns; x++) {
      const seconds = (x * this.take.seconds) / width;
      while (turn + 1 < turns.length && turns[turn + 1].start <= seconds) turn++;
      const [first, next] = [Math.floor(columns(x)), Math.floor(columns(x + 1))];
      const peak = this.analysis.peak(first, Math.max(first, next - 1));
      const tall = Math.max(QUIET, Math.sqrt(peak)) * height;
      context.fillStyle = colors[turns[turn]?.speaker ?? "S1"];
      context.fillRect(x, (height - tall) / 2, 1, tall);
    }
  }

  #drawSpectrum(context, columns, style) {
    const { width, height } = context.canvas;
    const [from, to] = ["--spectrum-from", "--spectrum-to"].map((name) => rgb(style.getPropertyValue(name)));
    const image = context.createImageData(width, height);
    for (let x = 0; x < width && columns(x) < this.analysis.columns; x++) {
      const bands = this.analysis.bands(Math.floor(columns(x)));
      for (let band = 0; band < BANDS; band++) {
        const at = 4 * ((height - 1 - band) * width + x);
        const part = bands[band] / 255;
        for (let i = 0; i < 3; i++) image.data[at + i] = from[i] + part * (to[i] - from[i]);
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  }

  #point(event) {
    const box = this.getBoundingClientRect();
    this.setPointerCapture(event.pointerId);
    this.player.seek(((event.clientX - box.left) / box.width) * this.take.seconds);
  }

  #key(event) {
    const { position } = this.player;
    const targets = { ArrowLeft: position - STEP, ArrowRight: position + STEP, Home: 0, End: this.take.clip.seconds };
    if (!(event.key in targets)) return;
    event.preventDefault();
    this.player.seek(targets[event.key]);
  }
}

customElements.define("dia-wave", WaveView);

function element(name, className) {
  return Object.assign(document.createElement(name), { className });
}

function canvas(name) {
  const made = element("canvas", name);
  made.ariaHidden = "true";
  return made;
}

function sized(canvas, width, height) {
  Object.assign(canvas, { width, height: Math.round(height) });
  return canvas.getContext("2d");
}

/** The parts of a color `rgb(…)`. */
function rgb(color) {
  return color.match(/\d+/g).map(Number);
}
