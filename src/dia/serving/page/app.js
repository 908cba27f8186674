// Connects the parts of the page: what is written, chosen and spoken. The parts know nothing of each other.

import { addButtons } from "./editor/toolbar.js";
import "./editor/editor.js";
import "./editor/reading.js";
import { askKey } from "./key-dialog.js";
import { newSeed } from "./options.js";
import { Api } from "./server/api.js";
import { tab } from "./storage.js";
import { Take } from "./takes/take.js";
import "./takes/take-card.js";
import "./voices/voice-choice.js";
import "./voices/voice-dialog.js";

const DRAFT = "dia-script";
const part = (name) => document.querySelector(name);
const elements = ["editor", "reading", "voices", "options", "voice-dialog"];
const [editor, reading, voices, options, dialog] = elements.map((name) => part(`dia-${name}`));
const ids = ["speak", "stop", "takes", "status", "alert"];
const [speakButton, stopButton, takes, status, alert] = ids.map((name) => part(`#${name}`));
const api = new Api(askKey);
let settings = null;
let count = 0;

/** Tell the reader of the page something, or what went wrong. */
function report(message) {
  const failed = message instanceof Error;
  alert.textContent = failed ? message.message : "";
  status.textContent = failed ? "" : message;
}

/** The request for what is written and chosen, without options. */
function body() {
  const chosen = voices.value;
  return { input: editor.value, ...(Object.keys(chosen).length ? { voices: chosen } : { voice: "default" }) };
}

function speak(request) {
  const take = new Take(api, ++count, request);
  const card = document.createElement("dia-take");
  takes.prepend(card);
  card.show(take, settings);
  take.addEventListener("change", () => taken(take));
  card.player.play();
  report(`Speaking take ${take.number}.`);
  showStop();
  take.run();
}

function taken(take) {
  if (take.state === "done") report(`Take ${take.number} is ready: ${take.seconds.toFixed(1)} seconds.`);
  if (take.state === "failed") report(`Take ${take.number} failed.`);
  showStop();
}

function cards() {
  return [...takes.querySelectorAll("dia-take")];
}

function showStop() {
  stopButton.disabled = !cards().some((card) => card.take.state === "speaking" || card.player.wanted);
}

function stop() {
  for (const card of cards()) {
    card.take.stop();
    card.player.pause();
  }
  showStop();
}

function start() {
  if (!editor.value.trim()) {
    report(new Error("The script is empty. Write the words to speak."));
    editor.area.focus();
    return;
  }
  if (options.check()) speak({ ...body(), ...options.value });
}

function remove(card) {
  card.take.stop();
  card.player.pause();
  const next = card.nextElementSibling ?? card.previousElementSibling;
  card.remove();
  (next?.querySelector(".play") ?? speakButton).focus();
  showStop();
}

function listen() {
  speakButton.addEventListener("click", start);
  stopButton.addEventListener("click", stop);
  editor.addEventListener("input", () => {
    tab.set(DRAFT, editor.value);
    reading.refresh();
  });
  reading.addEventListener("read", ({ detail }) => (editor.names = detail.names));
  voices.addEventListener("choose", () => reading.refresh());
  options.addEventListener("change", () => reading.refresh());
  part("#new-voice").addEventListener("click", () => dialog.open());
  dialog.addEventListener("added", async ({ detail: name }) => {
    await voices.refresh(name);
    report(`The voice ${name} is ready.`);
  });
  takes.addEventListener("retry", ({ target }) => speak(target.take.body));
  takes.addEventListener("again", ({ target }) => speak({ ...target.take.body, seed: newSeed() }));
  takes.addEventListener("reuse", ({ target }) => (options.seed = target.take.seed));
  takes.addEventListener("remove", ({ target }) => remove(target));
  takes.addEventListener("playing", showStop);
  takes.addEventListener("report", ({ detail }) => report(detail));
  takes.addEventListener("turn", ({ target, detail }) => {
    editor.spoken = target.take.script === editor.value ? detail : null;
  });
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) start();
    if (event.key === "Escape") stop();
  });
}

async function open() {
  settings = await api.json("v1/audio/settings");
  part("#model").textContent = settings.model;
  editor.sounds = settings.sounds;
  editor.area.maxLength = settings.limits.input_characters;
  editor.value = tab.get(DRAFT) ?? settings.example;
  addButtons(part(".tools"), part(".more-sounds"), editor, settings);
  options.show(settings);
  dialog.show(api, settings);
  reading.watch(api, () => ({ ...body(), ...options.value }));
  listen();
  reading.refresh();
  speakButton.disabled = false;
  await voices.show(api, settings, report);
}

open().catch(report);
