// One take: a request for speech, its audio as it arrives, and the times of its turns. Independent of the page.

import { Clip } from "../audio/clip.js";
import { WavReader } from "../audio/wav.js";
import { preview, speak } from "../server/speech.js";
import { estimatedTurns, exactTurns, finishedTurns, groupedTurns } from "./turns.js";

/** Dispatches `change` when its state, turns or warnings change. States: speaking, done, stopped, failed. */
export class Take extends EventTarget {
  state = "speaking";
  error = null;
  turns = []; // {speaker, text, start, end, range}
  warnings = [];
  subtitles = null;
  clip = new Clip();
  #finished = []; // times of what has been spoken completely
  #wav = new WavReader();
  #abort = new AbortController();

  constructor(api, number, body) {
    super();
    Object.assign(this, { api, number, body });
  }

  get script() {
    return this.body.input;
  }

  get seed() {
    return this.body.seed;
  }

  /** Seconds of the whole take, estimated until it has arrived. */
  get seconds() {
    return this.state === "speaking" ? Math.max(this.clip.seconds, this.turns.at(-1)?.end ?? 0) : this.clip.seconds;
  }

  async run() {
    const reading = this.#read();
    try {
      const { signal } = this.#abort;
      const [onBytes, onTurns] = [(bytes) => this.#receive(bytes), (turns) => this.#finish(turns)];
      const done = await speak(this.api, this.body, signal, onBytes, onTurns);
      await reading;
      this.turns = exactTurns(this.turns, done.segments);
      this.warnings = done.warnings;
      this.subtitles = done.subtitles;
      this.state = "done";
    } catch (error) {
      this.state = error.name === "AbortError" ? "stopped" : "failed";
      this.error = this.state === "failed" ? error : null;
    }
    this.clip.end();
    this.#changed();
  }

  stop() {
    this.#abort.abort();
  }

  /** The audio as a wav file, as the server has sent it. */
  wavFile() {
    return this.#wav.file();
  }

  async #read() {
    try {
      const read = await preview(this.api, this.body, this.#abort.signal);
      this.turns = finishedTurns(estimatedTurns(groupedTurns(read.turns, this.script)), this.#finished);
      this.#changed();
    } catch {
      // The request itself reports the same error.
    }
  }

  #receive(bytes) {
    const samples = this.#wav.push(bytes);
    this.clip.append(samples, this.#wav.rate);
  }

  #finish(turns) {
    this.#finished.push(...turns);
    this.turns = finishedTurns(this.turns, this.#finished);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
