/**
 * Pays in the widget, and learns how it ended whichever device paid: the widget's own word is not needed, since the
 * order is followed from the moment it has a link.
 *
 * @typedef {{orderId: string, comment: string, funds: string}} Question
 * @typedef {{selector: string, getPaymentInfo: () => Promise<string>, onPopUpClose: () => void,
 *   onPaymentSuccess: () => void}} Options
 * @typedef {new (options: Options) => {bootstrapApp: () => void, destroyWidget: () => void}} Widget
 */

import { followOrder } from "./follow.js";

const STAYS = ["open", "moving"];
const Widget = /** @type {{ecommerceBanqWidget?: Widget}} */ (/** @type {unknown} */ (window)).ecommerceBanqWidget;
/** @type {(() => void) | undefined} */
let lookAgain;
/** @type {InstanceType<Widget> | undefined} */
let app;

/**
 * @param {string} address
 * @param {unknown} [body]
 */
async function post(address, body) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body ?? {}),
  });
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  return answer.json();
}

/**
 * @param {HTMLElement} place
 * @returns {Promise<{page: string, asked: Question}>} what to ask a link for; on the cart's page that makes an order
 */
async function question(place) {
  const known = place.dataset.question;
  if (known) return { page: place.dataset.page ?? "", asked: JSON.parse(known) };
  const { page, ...asked } = await post(place.dataset.place ?? "");
  return { page, asked };
}

/**
 * @param {HTMLElement} place
 * @param {Widget} Kind
 */
function offer(place, Kind) {
  const trouble = place.querySelector('[role="alert"]');
  let page = "";
  app = new Kind({
    selector: "#pay-with-banq",
    getPaymentInfo: async () => {
      trouble?.setAttribute("hidden", "");
      try {
        const wanted = await question(place);
        page = wanted.page;
        const link = (await post(place.dataset.link ?? "", wanted.asked)).data.url;
        follow();
        return link;
      } catch (error) {
        trouble?.removeAttribute("hidden");
        throw error;
      }
    },
    onPopUpClose: () => {},
    // The widget's word leads nowhere by itself: the page moves on once the shop has seen the payment.
    onPaymentSuccess: () => lookAgain?.(),
  });

  const follow = () => {
    // The order's own page follows it anyway and redraws itself.
    document.dispatchEvent(new Event("order-linked"));
    if (lookAgain || place.dataset.question) return;
    lookAgain = followOrder(page, "open", (standing) => {
      const stays = heed(standing);
      if (!stays) location.assign(page);
      return stays;
    });
  };

  place.hidden = false;
  app.bootstrapApp();
}

/**
 * @param {string} standing
 * @returns {boolean} whether the order can still be paid in the widget as it is
 */
function heed(standing) {
  const stays = STAYS.includes(standing);
  if (!stays) app?.destroyWidget();
  return stays;
}

function begin() {
  const here = document.getElementById("here");
  if (here && Widget) offer(here, Widget);
}

document.addEventListener("order-standing", (event) => {
  heed(/** @type {CustomEvent<string>} */ (event).detail);
});
document.addEventListener("order-redrawn", begin);
begin();
