// The magnitudes of a short spectrum: a radix-2 fast Fourier transform with a Hann window.

/** A function from samples [size] to magnitudes [size / 2]; `size` is a power of two. The result is reused. */
export function spectrumOf(size) {
  const window = Float32Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
  const cosine = Float32Array.from({ length: size / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / size));
  const sine = Float32Array.from({ length: size / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / size));
  const order = reversed(size);
  const [real, imaginary] = [new Float32Array(size), new Float32Array(size)];
  const magnitudes = new Float32Array(size / 2);
  return (samples) => {
    for (let i = 0; i < size; i++) real[order[i]] = samples[i] * window[i];
    imaginary.fill(0);
    transform(real, imaginary, cosine, sine);
    for (let i = 0; i < size / 2; i++) magnitudes[i] = Math.hypot(real[i], imaginary[i]);
    return magnitudes;
  };
}

/** Each index with its bits in reverse order. */
function reversed(size) {
  const order = new Uint32Array(size);
  for (let i = 1; i < size; i++) order[i] = (order[i >> 1] >> 1) | (i & 1 ? size >> 1 : 0);
  return order;
}

function transform(real, imaginary, cosine, sine) {
  const size = real.length;
  for (let half = 1; half < size; half *= 2) {
    const step = size / (2 * half);
    for (let start = 0; start < size; start += 2 * half) {
      for (let i = 0; i < half; i++) {
        const [a, b] = [start + i, start + i + half];
        const [c, s] = [cosine[i * step], sine[i * step]];
        const re = real[b] * c - imaginary[b] * s;
        const im = real[b] * s + imaginary[b] * c;
        [real[b], imaginary[b]] = [real[a] - re, imaginary[a] - im];
        real[a] += re;
        imaginary[a] += im;
      }
    }
  }
}
