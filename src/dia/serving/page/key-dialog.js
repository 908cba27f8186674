// Asks for the API key of the server. Several requests that need it at once share one dialog.

let asked = null;

/** Resolves to the key, or null if the dialog is closed without one. `wrong`: whether there was one already. */
export function askKey(wrong) {
  asked ??= ask(wrong).finally(() => (asked = null));
  return asked;
}

function ask(wrong) {
  const dialog = document.getElementById("key");
  const input = dialog.querySelector("input");
  dialog.querySelector(".error").textContent = wrong ? "The server does not accept this key." : "";
  input.value = dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const closed = () => resolve(dialog.returnValue === "ok" && input.value.trim() ? input.value.trim() : null);
    dialog.addEventListener("close", closed, { once: true });
  });
}
