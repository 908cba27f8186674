// The settings under "More": sampling, speed, seed. Reads their ranges and defaults from the server's settings.

const STEPS = { temperature: 0.1, top_p: 0.05, guidance_scale: 0.1, speed: 0.05 };
const SEEDS = 2 ** 31;

/** A seed for a new take. */
export const newSeed = () => Math.floor(Math.random() * SEEDS);

/** `<dia-options>`: `show(settings)` once. */
export class Options extends HTMLElement {
  show({ ranges }) {
    for (const [name, { minimum, maximum, above, whole, default: own }] of Object.entries(ranges)) {
      const input = this.querySelector(`[name=${name}]`);
      const step = whole ? 1 : STEPS[name];
      const min = above ? minimum + step : minimum;
      Object.assign(input, { min, max: maximum, step, placeholder: own ?? "" });
    }
  }

  /** The options that are set, as fields of a request. If no seed is given, it is drawn here, so that it is known. */
  get value() {
    const set = [...this.querySelectorAll("input[type=number]")].filter((input) => input.value !== "");
    const numbers = Object.fromEntries(set.map((input) => [input.name, input.valueAsNumber]));
    const plain = this.querySelector("[name=normalize]").checked ? {} : { normalize: false };
    return { seed: newSeed(), ...numbers, ...plain };
  }

  /** Whether all values are in their ranges; if not, the first that is not is shown and focused. */
  check() {
    const wrong = [...this.querySelectorAll("input")].find((input) => !input.checkValidity());
    if (!wrong) return true;
    wrong.closest("details").open = true;
    wrong.reportValidity();
    return false;
  }

  set seed(seed) {
    const input = this.querySelector("[name=seed]");
    input.closest("details").open = true;
    input.value = seed;
    input.focus();
  }
}

customElements.define("dia-options", Options);
