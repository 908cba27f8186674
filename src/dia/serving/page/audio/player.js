// Plays a clip with Web Audio while it still arrives. Independent of the page.

const LEAD = 0.05; // seconds before the first sample sounds, so that no beginning is cut off
const FIRST = 0.15; // seconds of audio to wait for before playing; doubled after every interruption
const MOST = 4;
const contexts = new Map();
let current = null;

/** One context for each sampling rate, in which pieces join without resampling. */
function contextOf(rate) {
  if (!contexts.has(rate)) contexts.set(rate, new AudioContext({ sampleRate: rate }));
  return contexts.get(rate);
}

/** Plays one clip; another player that plays is paused. Dispatches `change` when it starts, stops or waits. */
export class Player extends EventTarget {
  wanted = false; // to play: true also while it waits for audio
  analyser = null;
  #clip;
  #sources = new Set();
  #from = 0; // sample that sounds at #since
  #since = 0; // time of the context
  #scheduled = 0; // samples handed to the context
  #sounding = false;
  #needed = FIRST;

  constructor(clip) {
    super();
    this.#clip = clip;
    clip.addEventListener("grow", () => this.#more());
    clip.addEventListener("end", () => this.#more());
  }

  get #context() {
    return contextOf(this.#clip.rate);
  }

  /** Seconds of the clip that have been heard. */
  get position() {
    if (!this.#clip.rate) return 0;
    if (!this.#sounding) return this.#from / this.#clip.rate;
    const heard = Math.max(0, this.#context.currentTime - this.#since);
    return Math.min(this.#from / this.#clip.rate + heard, this.#scheduled / this.#clip.rate);
  }

  play() {
    if (current !== this) current?.pause();
    current = this;
    if (this.#clip.ended && this.position >= this.#clip.seconds - 0.01) this.#from = 0;
    this.wanted = true;
    this.#more();
    this.#changed();
  }

  pause() {
    if (!this.wanted) return;
    this.#halt();
    this.wanted = false;
    this.#changed();
  }

  seek(seconds) {
    this.#halt();
    this.#from = Math.round(Math.min(Math.max(0, seconds), this.#clip.seconds) * this.#clip.rate);
    this.#more();
    this.#changed();
  }

  /** How loud it sounds at the moment, from 0 to 1. */
  level() {
    if (!this.#sounding) return 0;
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
  }

  /** Begin or go on, if there is enough audio. */
  #more() {
    if (!this.wanted) return;
    const { ended, seconds, rate } = this.#clip;
    const ready = rate ? seconds - this.#from / rate : 0;
    if (this.#sounding) this.#schedule();
    else if (ready > 0 && (ready >= this.#needed || ended)) this.#begin();
    else if (ended) this.#finished();
  }

  #begin() {
    const context = this.#context;
    if (context.state !== "running") context.resume();
    if (!this.analyser) {
      this.analyser = context.createAnalyser();
      this.analyser.connect(context.destination);
    }
    this.#scheduled = this.#from;
    this.#since = context.currentTime + LEAD;
    this.#sounding = true;
    this.#schedule();
    this.#changed();
  }

  #schedule() {
    const samples = this.#clip.slice(this.#scheduled);
    if (!samples.length) return;
    const source = this.#context.createBufferSource();
    const buffer = this.#context.createBuffer(1, samples.length, this.#clip.rate);
    buffer.copyToChannel(samples, 0);
    source.buffer = buffer; // Firefox plays what is in the buffer at this moment
    source.connect(this.analyser);
    source.start(this.#since + (this.#scheduled - this.#from) / this.#clip.rate);
    this.#scheduled += samples.length;
    this.#sources.add(source);
    source.onended = () => this.#sourceEnded(source);
  }

  #sourceEnded(source) {
    if (!this.#sources.delete(source) || this.#sources.size) return;
    const heard = this.#scheduled;
    this.#halt();
    this.#from = heard;
    if (this.#clip.ended && heard >= this.#clip.length) this.#finished();
    else {
      this.#needed = Math.min(2 * this.#needed, MOST);
      this.#more();
      this.#changed();
    }
  }

  #finished() {
    this.wanted = false;
    this.#changed();
  }

  #halt() {
    this.#from = Math.round(this.position * (this.#clip.rate || 0));
    this.#sounding = false;
    const sources = [...this.#sources];
    this.#sources.clear();
    for (const source of sources) source.stop();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
