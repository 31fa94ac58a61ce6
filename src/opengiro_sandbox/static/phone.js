// Loads the app again when what waits has changed; without this script the link at the top does it.
const waiting = /** @type {HTMLElement} */ (document.getElementById("waiting"));
const { version, ask } = waiting.dataset;

async function look() {
  const answer = await fetch(String(ask)).catch(() => null);
  if (answer?.ok && (await answer.text()) !== version) location.replace(location.pathname);
}

setInterval(look, 1500);
