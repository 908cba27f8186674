// Samples that grow while they arrive. Independent of where they come from and of how they are shown or played.

/** Mono samples. Dispatches `grow` after new ones and `end` after the last. */
export class Clip extends EventTarget {
  rate = 0;
  length = 0;
  ended = false;
  #samples = new Float32Array(0);

  get seconds() {
    return this.rate ? this.length / this.rate : 0;
  }

  append(samples, rate) {
    if (!samples.length) return;
    this.rate = rate;
    this.#reserve(this.length + samples.length);
    this.#samples.set(samples, this.length);
    this.length += samples.length;
    this.dispatchEvent(new Event("grow"));
  }

  end() {
    this.ended = true;
    this.dispatchEvent(new Event("end"));
  }

  /** Samples from `start` to `end`, which must not be changed. */
  slice(start, end = this.length) {
    return this.#samples.subarray(start, Math.min(end, this.length));
  }

  #reserve(length) {
    if (length <= this.#samples.length) return;
    const larger = new Float32Array(Math.max(length, 2 * this.#samples.length, 2 ** 16));
    larger.set(this.slice(0));
    this.#samples = larger;
  }
}
