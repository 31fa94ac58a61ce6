/** Keeps the inbox's list true: asks how far it goes and redraws it, with what was open still open. */

const EVERY_MS = 1500;

/** @returns {HTMLElement} */
function inbox() {
  const found = document.getElementById("inbox");
  if (!found) throw new Error("the page has no inbox");
  return found;
}

/** @returns {Promise<number>} the number of the newest arrival, or of the one shown when nobody could say */
async function newest() {
  try {
    const answer = await fetch("/inbox/newest", { cache: "no-store" });
    return (await answer.json()).newest;
  } catch {
    return shown();
  }
}

/** @returns {number} */
function shown() {
  return Number(inbox().dataset.newest);
}

/** Exchanges the list for a fresh one; the live region stays in the document, so that the change is read out. */
async function redraw() {
  const answer = await fetch(location.href, { cache: "no-store" });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("inbox");
  const said = inbox().querySelector("[role=status]");
  if (!fresh || !said) return;
  const open = [...inbox().querySelectorAll("details[open]")].map((one) => one.id);
  const focus = document.activeElement?.closest("details")?.id;
  const count = Number(fresh.dataset.newest) - shown();
  fresh.querySelector("[role=status]")?.replaceWith(said);
  inbox().dataset.newest = fresh.dataset.newest ?? "";
  inbox().replaceChildren(...fresh.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focus) document.getElementById(focus)?.querySelector("summary")?.focus({ preventScroll: true });
  said.textContent = count === 1 ? "One more arrived." : `${count} more arrived.`;
}

async function look() {
  if (document.visibilityState === "visible" && (await newest()) > shown()) await redraw();
  setTimeout(look, EVERY_MS);
}

if ("live" in inbox().dataset) look();
