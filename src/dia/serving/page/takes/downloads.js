// The files of a take: audio in every format of the server, and subtitles. Saves them with the browser.

import { audioFile } from "../server/speech.js";

const NAMES = { mp3: "MP3", opus: "Opus", aac: "AAC", flac: "FLAC", wav: "WAV", pcm: "PCM", srt: "SRT", vtt: "VTT" };
const SUBTITLES = { srt: "application/x-subrip", vtt: "text/vtt" };
const SUFFIX = { opus: "ogg" };

/** Fill `list` with a button for each file. `report` gets a message, or an error. */
export function addDownloads(list, take, formats, report) {
  for (const kind of ["wav", ...formats.filter((format) => format !== "wav"), ...Object.keys(SUBTITLES)]) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: NAMES[kind] ?? kind });
    button.dataset.kind = kind;
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        report(`Preparing ${button.textContent}…`);
        save(await fileOf(take, kind), `dia-${take.seed}.${SUFFIX[kind] ?? kind}`);
        report(`${button.textContent} saved.`);
      } catch (error) {
        report(error);
      }
      button.disabled = false;
    });
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
}

/** WAV and subtitles are here already. The server makes the others again: the same seed gives the same speech. */
async function fileOf(take, kind) {
  if (kind === "wav") return take.wavFile();
  if (kind in SUBTITLES) return new Blob([take.subtitles[kind]], { type: SUBTITLES[kind] });
  return audioFile(take.api, take.body, kind);
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
