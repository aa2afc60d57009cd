/** Light, dark, or as the system says. */

const KEY = "myostream-theme";
const NAMES = ["auto", "light", "dark"];

/** A button that goes through the themes; calls `onChange` when colours change, for whatever reason. `said` is what it reads. */
export function installTheme(button, onChange, said = (theme) => `Theme: ${theme}`) {
  let theme = NAMES.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";
  const show = () => {
    document.documentElement.dataset.theme = theme;
    button.dataset.theme = theme;
    if (!button.classList.contains("icon")) button.textContent = said(theme);
    else for (const name of ["aria-label", "title"]) button.setAttribute(name, said(theme));
    onChange();
  };
  button.addEventListener("click", () => {
    theme = NAMES[(NAMES.indexOf(theme) + 1) % NAMES.length];
    localStorage.setItem(KEY, theme);
    show();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}
