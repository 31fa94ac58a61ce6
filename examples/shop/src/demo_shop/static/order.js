/**
 * Keeps an order's page true while its payment goes on: asks how it stands and redraws what changed.
 * Without this module the page refreshes itself.
 */

const SOON_MS = 1500;
const LATER_MS = 8000;
const SLOWER = 1.15;

/** @returns {HTMLElement} */
function section() {
  const found = document.getElementById("order");
  if (!found) throw new Error("the page has no order");
  return found;
}

/**
 * @param {string} address
 * @returns {Promise<string | null>} how the order stands, or null when nobody could say
 */
async function ask(address) {
  try {
    const answer = await fetch(address, { cache: "no-store" });
    return answer.ok ? (await answer.json()).standing : null;
  } catch {
    return null;
  }
}

/** Redraws the order in place, so that a screen reader hears the change and keeps its place. */
async function redraw() {
  const answer = await fetch(location.href, { cache: "no-store" });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.title = fresh.title;
  const said = fresh.getElementById("order");
  const whole = document.querySelector("main");
  const next = fresh.querySelector("main");
  if (!said || !whole || !next) return location.reload();
  document.querySelector("header")?.replaceWith(...fresh.querySelectorAll("header"));
  const status = section().querySelector('[role="status"]');
  const words = said.querySelector('[role="status"]');
  if (status && words) {
    // The live region itself stays in the document: only its words are exchanged.
    status.replaceChildren(...words.cloneNode(true).childNodes);
    words.replaceWith(status);
  }
  whole.replaceChildren(...next.childNodes);
}

/** @param {number} pause_ms */
function watch(pause_ms) {
  setTimeout(async () => {
    const { ask: address = "", standing: known = "" } = section().dataset;
    const standing = await ask(address);
    if (standing && standing !== known) await redraw();
    if (["open", "waiting"].includes(section().dataset.standing ?? "")) {
      watch(Math.min(pause_ms * SLOWER, LATER_MS));
    }
  }, pause_ms);
}

watch(SOON_MS);
