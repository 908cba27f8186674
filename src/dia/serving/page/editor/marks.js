// Finds the marks of a script that the editor colors: speakers, sounds and pauses. How it is read, the server decides.

const SPEAKER = /[[［] *(?:s|speaker) *(\d{1,9}) *[\]］]|^ *(?:s|speaker) *(\d{1,9}) *[:：]/gim;
const PAUSE = /\[ *pause\b[^[\]]*\]/gi;

/** Pieces of the text in order, without gaps: {text, start, speaker, kind}; kind is tag, sound, pause or "". */
export function pieces(text, sounds, names = {}) {
  const marks = [
    ...speakers(text, names),
    ...found(text, PAUSE, "pause"),
    ...found(text, soundPattern(sounds), "sound"),
  ];
  marks.sort((one, other) => one.start - other.start);
  const result = [];
  let [at, speaker] = [0, "S1"];
  const add = (end, kind) => {
    if (end > at) result.push({ text: text.slice(at, end), start: at, speaker, kind });
    at = Math.max(at, end);
  };
  for (const mark of marks) {
    if (mark.start < at) continue;
    add(mark.start, "");
    speaker = mark.speaker ?? speaker;
    add(mark.end, mark.kind);
  }
  add(text.length, "");
  return result;
}

function speakers(text, names) {
  const tags = [...text.matchAll(SPEAKER)].map((match) => mark(match, "tag", `S${match[1] ?? match[2]}`));
  const labels = Object.entries(names).flatMap(([name, speaker]) => {
    const pattern = new RegExp(`^ *${escaped(name)}\\b[^:：\\n]{0,40}[:：]`, "gim");
    return [...text.matchAll(pattern)].map((match) => mark(match, "tag", speaker));
  });
  return [...tags, ...labels];
}

function found(text, pattern, kind) {
  return [...text.matchAll(pattern)].map((match) => mark(match, kind));
}

function mark(match, kind, speaker = null) {
  return { start: match.index, end: match.index + match[0].length, kind, speaker };
}

function soundPattern(sounds) {
  const words = sounds.map((sound) => escaped(sound.slice(1, -1)).replaceAll(" ", " +"));
  return new RegExp(`\\( *(?:${words.join("|")}) *\\)`, "gi");
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
