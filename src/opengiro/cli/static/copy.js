/** Gives each block of shell lines a button that copies it; without this module the lines are selected by hand. */

/** @param {HTMLButtonElement} button */
function enable(button) {
  const source = document.getElementById(button.dataset.copies ?? "");
  if (!source) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(source.textContent ?? "");
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}

if (navigator.clipboard) document.querySelectorAll("button").forEach(enable);
