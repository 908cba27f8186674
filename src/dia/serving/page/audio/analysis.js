// What is drawn of a clip: peaks and spectra in columns of equal length, computed as samples arrive.

import { spectrumOf } from "./fft.js";

const COLUMN = 0.016; // seconds
const QUIETEST = -75; // dB below the loudest possible sine
export const BANDS = 64;

/** Columns of a clip: `peaks` from 0 to 1, and `bands` from 0 to 255, `BANDS` of them, the lowest first. */
export class Analysis {
  columns = 0;
  #clip;
  #peaks = new Float32Array(1024);
  #bands = new Uint8Array(1024 * BANDS);
  #spectrum = null;

  constructor(clip) {
    this.#clip = clip;
  }

  get secondsPerColumn() {
    return this.#hop / this.#clip.rate;
  }

  get #hop() {
    return Math.max(1, Math.round(COLUMN * this.#clip.rate));
  }

  /** The largest peak of columns from `first` to `last`. */
  peak(first, last) {
    let most = 0;
    for (let i = first; i <= last && i < this.columns; i++) most = Math.max(most, this.#peaks[i]);
    return most;
  }

  /** The bands of a column. */
  bands(column) {
    return this.#bands.subarray(column * BANDS, (column + 1) * BANDS);
  }

  /** Compute the columns of samples that have come since the last call. */
  update() {
    if (!this.#clip.rate) return;
    const size = 2 ** Math.round(Math.log2(2 * COLUMN * this.#clip.rate));
    this.#spectrum ??= { size, of: spectrumOf(size), edges: edgesOf(size, this.#clip.rate) };
    const hop = this.#hop;
    const ready = this.#clip.ended ? this.#clip.length : this.#clip.length - size;
    while (this.columns * hop < ready) {
      this.#reserve();
      this.#compute(this.#clip.slice(this.columns * hop, this.columns * hop + size), hop);
      this.columns++;
    }
  }

  #compute(samples, hop) {
    const { size, of, edges } = this.#spectrum;
    let peak = 0;
    for (let i = 0; i < hop && i < samples.length; i++) peak = Math.max(peak, Math.abs(samples[i]));
    this.#peaks[this.columns] = peak;
    const padded = samples.length < size ? Float32Array.from({ length: size }, (_, i) => samples[i] ?? 0) : samples;
    const magnitudes = of(padded);
    const into = this.bands(this.columns);
    for (let band = 0; band < BANDS; band++) {
      const [first, end] = [edges[band], Math.max(edges[band] + 1, edges[band + 1])];
      let most = 0;
      for (let i = first; i < end; i++) most = Math.max(most, magnitudes[i]);
      const decibels = 20 * Math.log10((4 * most) / size + 1e-9);
      into[band] = 255 * Math.min(1, Math.max(0, 1 - decibels / QUIETEST));
    }
  }

  #reserve() {
    if (this.columns < this.#peaks.length) return;
    const [peaks, bands] = [this.#peaks, this.#bands];
    this.#peaks = new Float32Array(2 * peaks.length);
    this.#bands = new Uint8Array(2 * bands.length);
    this.#peaks.set(peaks);
    this.#bands.set(bands);
  }
}

/** The first bin of each band, on the mel scale up to 8 kHz. */
function edgesOf(size, rate) {
  const mel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
  const hertz = (value) => 700 * (10 ** (value / 2595) - 1);
  const top = mel(Math.min(8000, rate / 2));
  return Array.from({ length: BANDS + 1 }, (_, band) => Math.floor((hertz((top * band) / BANDS) * size) / rate));
}
