// The voices of the server for the page: listing, adding and deleting them. Independent of how they are shown.

const ROUTE = "v1/audio/voices";

/** Names by group: `examples` of the model, and `own`, those that were uploaded. Aliases are left out. */
export async function listVoices(api, settings) {
  const { voices } = await api.json(ROUTE);
  const { own, examples, aliases } = settings.voices;
  const names = voices.map((voice) => voice.id).filter((name) => !own.includes(name) && !aliases.includes(name));
  return {
    examples: names.filter((name) => examples.includes(name)),
    own: names.filter((name) => !examples.includes(name)),
  };
}

/** Make a voice of a recording; resolves to its name. */
export async function addVoice(api, { name, recording, transcript, consent }) {
  const body = new FormData();
  for (const [key, value] of Object.entries({ name, transcript, consent })) body.append(key, value);
  body.append("audio_sample", recording, "recording");
  const added = await api.json(ROUTE, { method: "POST", body });
  return added.id;
}

export async function deleteVoice(api, name) {
  await api.json(`${ROUTE}/${encodeURIComponent(name)}`, { method: "DELETE" });
}
