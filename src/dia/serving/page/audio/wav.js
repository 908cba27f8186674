// Reads a wav file of 16 bits and one channel as it arrives, and makes a whole file of it. Independent of playback.

const ascii = (bytes, at) => String.fromCharCode(...bytes.subarray(at, at + 4));

/**
 * `push` bytes as they come; it returns the samples that are complete, from -1 to 1. `rate` is known after the header.
 */
export class WavReader {
  rate = 0;
  #parts = [];
  #rest = new Uint8Array(0);
  #dataAt = 0;

  push(bytes) {
    this.#parts.push(bytes);
    const joined = new Uint8Array(this.#rest.length + bytes.length);
    joined.set(this.#rest);
    joined.set(bytes, this.#rest.length);
    const begin = this.rate ? 0 : this.#readHeader(joined);
    const whole = this.rate ? (joined.length - begin) >> 1 : 0;
    this.#rest = joined.slice(this.rate ? begin + 2 * whole : 0);
    return samplesOf(joined, begin, whole);
  }

  /** The file with its real sizes, which are unknown while it is streamed. */
  file() {
    const blob = new Blob(this.#parts);
    const sizes = [blob.size - 8, blob.size - this.#dataAt];
    const [riff, data] = sizes.map((size) => new Uint8Array(new Uint32Array([size]).buffer));
    const body = blob.slice(8, this.#dataAt - 4);
    return new Blob([blob.slice(0, 4), riff, body, data, blob.slice(this.#dataAt)], { type: "audio/wav" });
  }

  /** Where the samples begin; 0 and no rate if the header is not complete. */
  #readHeader(bytes) {
    const view = new DataView(bytes.buffer);
    let rate = 0;
    for (let at = 12; at + 8 <= bytes.length; ) {
      const name = ascii(bytes, at);
      if (name === "fmt " && at + 16 <= bytes.length) rate = view.getUint32(at + 12, true);
      if (name === "data") {
        this.rate = rate;
        this.#dataAt = at + 8;
        return at + 8;
      }
      at += 8 + view.getUint32(at + 4, true);
    }
    return 0;
  }
}

function samplesOf(bytes, begin, count) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const samples = new Float32Array(count);
  for (let i = 0; i < count; i++) samples[i] = view.getInt16(begin + 2 * i, true) / 32768;
  return samples;
}
