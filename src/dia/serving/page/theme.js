// Light or dark: as the system says, until the button is pressed. Runs before the page is drawn.

const THEME = "dia-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

function apply(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  document.dispatchEvent(new Event("themechange"));
}

apply(localStorage.getItem(THEME));

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  const show = () => button.setAttribute("aria-pressed", isDark());
  show();
  system.addEventListener("change", show);
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    localStorage.setItem(THEME, theme);
    apply(theme);
    show();
  });
});
