/**
 * Keeps an order's page true while its payment goes on: follows how it stands and redraws what changed.
 * Without this module the page refreshes itself.
 */

import { followOrder } from "./follow.js";

const CHANGING = ["open", "moving", "waiting"];

/** @returns {HTMLElement} */
function section() {
  const found = document.getElementById("order");
  if (!found) throw new Error("the page has no order");
  return found;
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
  const widget = document.getElementById("here");
  const place = said.querySelector("#here");
  // So does the widget while it is still of use, for somebody may be paying in it.
  if (widget && place) place.replaceWith(widget);
  whole.replaceChildren(...next.childNodes);
}

const { page = "", standing = "" } = section().dataset;
let follows = false;

function begin() {
  if (follows) return;
  follows = true;
  followOrder(page, section().dataset.standing ?? "", (now) => {
    document.dispatchEvent(new CustomEvent("order-standing", { detail: now }));
    redraw();
    follows = CHANGING.includes(now);
    return follows;
  });
}

if (CHANGING.includes(standing)) begin();
document.addEventListener("order-linked", begin);
