// Records the microphone into a Blob. Independent of the page.

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];

/** Why this browser cannot record here; null if it can. */
export function obstacle() {
  if (navigator.mediaDevices?.getUserMedia && window.MediaRecorder) return null;
  return "Recording needs a secure address: open the page at localhost or over https, or upload a file.";
}

/** One recording. Dispatches `level` with the loudness from 0 to 1 and the seconds so far, several times a second. */
export class Recorder extends EventTarget {
  stopped = false;
  stream = null;
  recorder = null;
  context = null;

  /** Start; rejects if the microphone is refused. After `seconds` the recording ends by itself. */
  async start(seconds) {
    const audio = { autoGainControl: true, noiseSuppression: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    if (this.stopped) {
      this.stop();
      return;
    }
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const recorder = (this.recorder = new MediaRecorder(this.stream, { mimeType }));
    const parts = [];
    recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    this.result = new Promise((resolve) => {
      recorder.addEventListener("stop", () => resolve(new Blob(parts, { type: recorder.mimeType.split(";")[0] })));
    });
    recorder.start();
    this.#measure(seconds);
  }

  /** Stop; resolves to the recording, or null if it has not begun. */
  async stop() {
    this.stopped = true;
    clearInterval(this.timer);
    if (this.recorder?.state === "recording") this.recorder.stop();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    if (this.context?.state !== "closed") this.context?.close();
    return this.recorder ? this.result : null;
  }

  #measure(seconds) {
    this.context = new AudioContext();
    const analyser = this.context.createAnalyser();
    this.context.createMediaStreamSource(this.stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const begun = performance.now();
    let heard = null; // when sound arrives: a device may take seconds to open
    this.timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const level = Math.max(...samples.map(Math.abs));
      const now = performance.now();
      if (level > 0) heard ??= now;
      this.dispatchEvent(new CustomEvent("level", { detail: { level, seconds: (now - (heard ?? now)) / 1000 } }));
      if (now - begun >= 1000 * seconds) this.dispatchEvent(new Event("full"));
    }, 100);
  }
}
