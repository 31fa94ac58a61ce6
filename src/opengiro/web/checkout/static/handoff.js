// @ts-check
/**
 * Offers the payment to another device: draws the QR code, draws the next one before it lapses, and says when somebody
 * took it. A tab that nobody looks at makes no offers.
 *
 * @typedef {{share: string, code: string, typed_at: string, life_s: number, size: number, path: string}} Offer
 */

import { followLive } from "./status.js";

const SVG = "http://www.w3.org/2000/svg";
const AGAIN_MS = 10_000;
const COPIED_MS = 3000;

for (const place of document.querySelectorAll("[data-handoff]")) offerAt(/** @type {HTMLElement} */ (place));

/** @param {HTMLElement} place */
function offerAt(place) {
  const door = place.dataset.handoff ?? "";
  let timer = 0;
  let due = 0;
  let share = "";

  const renew = async () => {
    clearTimeout(timer);
    if (document.hidden || place.dataset.over) return;
    let wait = AGAIN_MS;
    if (place.closest("[data-panel][hidden]")) {
      timer = setTimeout(renew, wait); // the payer is elsewhere, and may come back
      return;
    }
    try {
      const answer = await fetch(door, { method: "POST", body: place.dataset.order ?? "", cache: "no-store" });
      if (answer.ok) {
        /** @type {Offer} */
        const offer = await answer.json();
        show(place, offer);
        share = offer.share;
        wait = offer.life_s * 800;
      } else if (answer.status < 500 && answer.status !== 429) {
        place.hidden = true; // there is nothing to hand over any more
        return;
      }
    } catch {
      // offline: the code that is shown may still be good
    }
    due = Date.now() + wait;
    timer = setTimeout(renew, wait);
  };

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() >= due) renew();
  });
  addEventListener("online", renew);
  const copy = /** @type {HTMLButtonElement} */ (place.querySelector("[data-copy]"));
  copy.addEventListener("click", () => copyLink(copy, share));
  const sheet = /** @type {HTMLButtonElement} */ (place.querySelector("[data-share]"));
  sheet.hidden = !navigator.share;
  sheet.addEventListener("click", () => navigator.share({ url: share }).catch(() => undefined));
  if (!place.dataset.live || matchMedia("(min-width: 60rem)").matches) renew();
  if (place.dataset.live) followChoice(place, place.dataset.live);
}

/**
 * @param {HTMLElement} place
 * @param {Offer} offer
 */
function show(place, offer) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", `-3 -3 ${offer.size + 6} ${offer.size + 6}`);
  drawing.setAttribute("shape-rendering", "crispEdges");
  drawing.setAttribute("aria-hidden", "true");
  const dark = document.createElementNS(SVG, "path");
  dark.setAttribute("d", offer.path);
  drawing.append(dark);
  place.querySelector("[data-qr]")?.replaceChildren(drawing);
  write(place, "[data-code]", offer.code);
  write(place, "[data-typed-at]", offer.typed_at);
  place.hidden = false;
}

/**
 * @param {HTMLElement} place
 * @param {string} selector
 * @param {string} text
 */
function write(place, selector, text) {
  const found = place.querySelector(selector);
  if (found) found.textContent = text;
}

/**
 * Not every frame may use the clipboard; there the link is shown, selected, to be copied by hand.
 *
 * @param {HTMLButtonElement} button
 * @param {string} link
 */
async function copyLink(button, link) {
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(link);
    button.textContent = button.dataset.copied ?? "";
    setTimeout(() => (button.textContent = words), COPIED_MS);
  } catch {
    const field = document.createElement("input");
    field.readOnly = true;
    field.value = link;
    field.setAttribute("aria-label", words ?? "");
    button.replaceWith(field);
    field.select();
  }
}

/**
 * On the hosted page where a bank is chosen: once another device took the payment, this one goes where that one is.
 *
 * @param {HTMLElement} place
 * @param {string} door
 */
function followChoice(place, door) {
  let chooses = false; // a payer who came to change the bank is not sent back to the one that waits
  const heed = (/** @type {import("/live/live.js").News} */ news) => {
    if (news.type === "step" && (news.step === "choosing_bank" || news.step === "on_phone")) chooses = true;
    if (!chooses || (news.type === "step" && news.step === "choosing_bank")) return;
    if (news.type === "step" && news.step === "on_phone") {
      place.hidden = false;
      place.dataset.over = "taken";
      const told = /** @type {HTMLElement} */ (place.querySelector("[data-connected]"));
      told.hidden = false;
      const live = document.getElementById("live");
      if (live) live.textContent = told.textContent;
    } else if (news.type === "step" || (news.type === "state" && news.final)) {
      location.replace(place.dataset.next ?? "");
    }
  };
  followLive(door, heed).catch(() => undefined);
}
