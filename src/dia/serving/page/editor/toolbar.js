// The buttons that insert speakers, pauses and sounds into the script.

const COMMON = 4; // sounds beside the menu of the others
const PAUSES = { "[pause:300ms]": "short pause", "[pause:1s]": "long pause" };

/** Fill the toolbar with buttons that insert marks into an editor. */
export function addButtons(toolbar, more, editor, settings) {
  const { speakers, sounds } = settings;
  const button = (mark, label) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: label });
    if (mark.startsWith("[S")) made.dataset.speaker = mark.slice(1, -1);
    made.addEventListener("click", () => editor.insert(mark));
    return made;
  };
  const plain = (sound) => button(sound, sound.slice(1, -1));
  toolbar.prepend(
    ...speakers.map((speaker, index) => button(`[${speaker}]`, `Speaker ${index + 1}`)),
    ...Object.entries(PAUSES).map(([mark, label]) => button(mark, label)),
    ...sounds.slice(0, COMMON).map(plain),
  );
  more.append(...sounds.slice(COMMON).map(plain));
}
