// Requests for speech and previews of them, and the stream of an answer. Independent of how audio is played.

import { ApiError } from "./api.js";
import { events } from "./events.js";

const SPEECH = "v1/audio/speech";
const LOST = "The connection was lost before the end. What has arrived can be played; try again for the rest.";

/** How a script is read. */
export async function preview(api, body, signal) {
  const response = await api.post(`${SPEECH}/preview`, body, { signal });
  return response.json();
}

/**
 * Speak: `onBytes` gets the bytes of a wav file as they come, `onTurns` the times of turns once they are known.
 * Resolves to the last event, with all times and warnings.
 */
export async function speak(api, body, signal, onBytes, onTurns) {
  const options = { response_format: "wav", stream_format: "sse", word_timestamps: true };
  const response = await api.post(SPEECH, { model: "dia", ...body, ...options }, { signal });
  try {
    for await (const event of events(response)) {
      if (event.type === "speech.audio.delta") onBytes(bytesOf(event.audio));
      if (event.type === "speech.audio.turns") onTurns(event.turns);
      if (event.type === "speech.audio.done") return event;
      if (event.type === "speech.audio.error") throw new ApiError(event.error.message, event.error);
    }
  } catch (error) {
    if (error.name === "AbortError" || error instanceof ApiError) throw error;
  }
  throw new ApiError(LOST, { code: "connection_lost" });
}

/** The whole audio of a request in a format, as a Blob. */
export async function audioFile(api, body, format, signal) {
  const response = await api.post(SPEECH, { model: "dia", ...body, response_format: format }, { signal });
  return response.blob();
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
