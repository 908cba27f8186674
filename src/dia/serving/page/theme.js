// Light or dark: as the system says, until the button is pressed.

import { browser } from "./storage.js";

const THEME = "dia-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const button = document.getElementById("theme");

const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

function apply(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  button.setAttribute("aria-pressed", isDark());
  document.dispatchEvent(new Event("themechange"));
}

apply(browser.get(THEME));
system.addEventListener("change", () => apply());
button.addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  browser.set(THEME, theme);
  apply(theme);
});
