/**
 * Keeps an order's page true while its payment goes on: follows how it stands and redraws what changed.
 * Without this module the page refreshes itself.
 */

import { followOrder } from "./follow.js";

const CHANGING = ["open", "moving", "waiting"];
const PAYING = ["open", "moving"];

/** @returns {HTMLElement} */
function section() {
  const found = document.getElementById("order");
  if (!found) throw new Error("the page has no order");
  return found;
}

/**
 * Redraws the order in place, so that a screen reader hears the change and keeps its place.
 *
 * @param {boolean} around leave what surrounds the words: somebody may be paying in the widget, which must not be moved
 */
async function redraw(around) {
  const answer = await fetch(location.href, { cache: "no-store" });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const said = fresh.getElementById("order");
  const whole = document.querySelector("main");
  const next = fresh.querySelector("main");
  if (!said || !whole || !next) return location.reload();
  document.title = fresh.title;
  const status = section().querySelector('[role="status"]');
  const words = said.querySelector('[role="status"]');
  // The live region itself stays in the document: only its words are exchanged.
  if (status && words) status.replaceChildren(...words.cloneNode(true).childNodes);
  section().className = said.className;
  section().dataset.standing = said.dataset.standing;
  if (around) return;
  document.querySelector("header")?.replaceWith(...fresh.querySelectorAll("header"));
  if (status) words?.replaceWith(status);
  whole.replaceChildren(...next.childNodes);
  document.dispatchEvent(new Event("order-redrawn"));
}

const { page = "", standing = "" } = section().dataset;
let follows = false;

function begin() {
  if (follows) return;
  follows = true;
  followOrder(page, section().dataset.standing ?? "", (now) => {
    document.dispatchEvent(new CustomEvent("order-standing", { detail: now }));
    redraw(PAYING.includes(now) && document.getElementById("here") !== null);
    follows = CHANGING.includes(now);
    return follows;
  });
}

if (CHANGING.includes(standing)) begin();
document.addEventListener("order-linked", begin);
