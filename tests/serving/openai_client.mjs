// Speaks with the official client of npm; prints what the test compares. Usage: node openai_client.mjs ADDRESS
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", maxRetries: 0 });
const asked = { model: "gpt-4o-mini-tts", voice: "alloy", input: "Yes.", seed: 3 };
const found = {};

// The server refuses the first request of all, and asks to try again.
const patient = client.withOptions({ maxRetries: 2 });
const again = await patient.audio.speech.create({ ...asked, response_format: "pcm" });
found.again = Buffer.from(await again.arrayBuffer()).toString("base64");

const whole = await client.audio.speech.create({ ...asked, response_format: "pcm" });
found.type = whole.headers.get("content-type");
found.bytes = Buffer.from(await whole.arrayBuffer()).toString("base64");

const stream = await client.audio.speech.create({ ...asked, response_format: "pcm" });
const pieces = [];
for await (const piece of stream.body) pieces.push(Buffer.from(piece));
found.streamed = Buffer.concat(pieces).toString("base64");

const events = await client.audio.speech.create({ ...asked, response_format: "pcm", stream_format: "sse" });
found.events = (await events.text())
  .split("\n\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line.slice("data: ".length)));

found.models = [];
for await (const model of client.models.list()) found.models.push(model.id);

try {
  await client.audio.speech.create({ ...asked, voice: "aloy" });
} catch (error) {
  const { name, status, code, param, requestID } = error;
  found.error = { class: error.constructor.name, name, status, code, param, requestID };
}

console.log(JSON.stringify(found));
