// The dialog that makes a voice: a recording or a file, its words, and the consent of the speaker.

import { Recorder, obstacle } from "../audio/recorder.js";
import { addVoice } from "./voices.js";

const TO_READ = "The sun was low when we came home. We made some tea, and then we sat down to talk about the day.";

/** `<dia-voice-dialog>`: `show(api, settings)` once, then `open()`. Dispatches `added` with the name. */
export class VoiceDialog extends HTMLElement {
  #recording = null;
  #recorder = null;

  show(api, settings) {
    Object.assign(this, { api, settings });
    this.dialog = this.querySelector("dialog");
    this.form = this.querySelector("form");
    this.fields = this.form.elements;
    this.fields.name.maxLength = settings.limits.name_characters;
    this.fields.speaker.maxLength = settings.limits.name_characters;
    this.fields.transcript.maxLength = settings.limits.transcript_characters;
    this.#on(".record", "click", () => (this.#recorder ? this.#stop() : this.#record()));
    this.#on(".file", "change", (event) => this.#use(event.target.files[0] ?? null));
    this.#on(".cancel", "click", () => this.dialog.close());
    this.form.addEventListener("change", () => (this.fields.speaker.required = this.fields.consent.value === "other"));
    this.form.addEventListener("submit", (event) => this.#submit(event));
    this.dialog.addEventListener("close", () => this.#close());
  }

  open() {
    this.form.reset();
    this.fields.transcript.value = TO_READ;
    this.#use(null);
    this.#say(obstacle() ?? "", !obstacle());
    this.#find(".record").disabled = obstacle() !== null;
    this.dialog.showModal();
  }

  #find(selector) {
    return this.querySelector(selector);
  }

  #on(selector, name, listener) {
    this.#find(selector).addEventListener(name, listener);
  }

  async #record() {
    const recorder = new Recorder();
    try {
      this.#recorder = recorder;
      await recorder.start(this.settings.limits.recording_seconds - 1);
    } catch (error) {
      recorder.stop();
      this.#recorder = null;
      this.#say(`The microphone cannot be used (${error.name}). Allow it for this page, or upload a file.`, false);
      return;
    }
    if (recorder.stopped) return;
    this.#say("");
    this.#find(".record").textContent = "Stop recording";
    recorder.addEventListener("level", ({ detail }) => this.#showLevel(detail));
    recorder.addEventListener("full", () => this.#stop());
  }

  async #stop() {
    const recorder = this.#recorder;
    if (!recorder) return;
    this.#recorder = null;
    this.#find(".record").textContent = "Record again";
    const recording = await recorder.stop();
    this.fields.file.value = "";
    this.#use(recording);
  }

  #showLevel({ level, seconds }) {
    this.#find("meter").value = level;
    this.#find(".seconds").textContent = `${seconds.toFixed(1)} s`;
  }

  /** Use a recording or a file, or none. */
  #use(recording) {
    const audio = this.#find("audio");
    if (audio.src) URL.revokeObjectURL(audio.src);
    this.#recording = recording;
    audio.hidden = recording === null;
    if (recording) audio.src = URL.createObjectURL(recording);
    else audio.removeAttribute("src");
    this.#find(".submit").disabled = recording === null;
    this.#showLevel({ level: 0, seconds: 0 });
  }

  async #submit(event) {
    event.preventDefault();
    const { name, transcript, consent, speaker } = this.fields;
    const other = `Of ${speaker.value.trim()}, who has agreed to it`;
    const agreed = consent.value === "own" ? "The speaker's own voice" : other;
    const voice = { name: name.value, recording: this.#recording, transcript: transcript.value };
    this.#find(".submit").disabled = true;
    this.#say("Making the voice…");
    try {
      const made = await addVoice(this.api, { ...voice, consent: `${agreed}. Stated on the page of the server.` });
      this.dialog.close();
      this.dispatchEvent(new CustomEvent("added", { detail: made }));
    } catch (error) {
      this.#say(error.message, false);
    }
    this.#find(".submit").disabled = false;
  }

  #close() {
    if (this.#recorder) this.#recorder.stop();
    this.#recorder = null;
    this.#find(".record").textContent = "Record";
    this.#use(null);
  }

  /** A message, or an error. */
  #say(text, fine = true) {
    this.#find(".message").textContent = fine ? text : "";
    this.#find(".error").textContent = fine ? "" : text;
  }
}

customElements.define("dia-voice-dialog", VoiceDialog);
