// @ts-check
/**
 * The page inside the shop's frame: follows the payment, says how it stands, and tells the page around it. What that
 * page hears is a hint and never a proof; it goes to one origin or nowhere. Nothing that page sends is listened to.
 *
 * @typedef {{panel: string, state: string, step: string | null, tone: string, title: string, money: string,
 *   then: string, taken: boolean, receipt: Record<string, string | null> | null}} News
 */

import { follow } from "/live/live.js";

const AGAIN_MS = 2000;
const WIDE = "min(860px, 100vw)";
const PAYERS_TURN = new Set(["choosing_bank", "on_phone", "at_bank", "approving", "answering"]);
const { page, link } = document.body.dataset;
const tellsStates = "events" in document.body.dataset;
let size = "";
let success = false;
let told = "";
let opened = false; // the payer went to a window of ours, which the server has not noticed yet

/**
 * @param {string} type
 * @param {unknown} payload
 */
function tell(type, payload) {
  if (page && parent !== window) parent.postMessage({ type, payload }, page);
}

/** @param {string} selector */
const all = (selector) => /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(selector));

/**
 * @param {string} selector
 * @param {(element: HTMLElement) => void} change
 */
const each = (selector, change) => all(selector).forEach(change);

function measure() {
  const sheet = all("[data-sheet]")[0];
  const height = `min(${Math.ceil(sheet?.getBoundingClientRect().height ?? 0)}px, 100vh)`;
  if (height === size) return;
  size = height;
  tell("styles", { width: WIDE, height });
}

function close() {
  tell("close", {});
  if (parent === window) window.close();
}

/** @param {News} news */
function show(news) {
  if (news.panel !== "choose") opened = false;
  const panel = news.panel === "choose" && !opened ? "choose" : "told";
  const shown = `${panel} ${news.title}`;
  each("[data-panel]", (one) => (one.hidden = one.dataset.panel !== panel));
  each("[data-title]", (one) => (one.textContent = news.title));
  each("[data-money]", (one) => (one.textContent = news.money));
  each("[data-then]", (one) => (one.textContent = news.then));
  each("[data-sign]", (one) => (one.className = `sign is-${news.tone}`));
  each("[data-taken]", (one) => (one.hidden = !news.taken || news.step === "on_phone" || news.panel === "end"));
  each("[data-ways]", (one) => (one.hidden = !PAYERS_TURN.has(news.step ?? "")));
  each("[data-back]", (one) => (one.hidden = news.step !== "choosing_bank" && news.step !== "on_phone"));
  each("[data-done]", (one) => (one.hidden = news.panel !== "end" && news.state !== "pending"));
  if (shown !== document.body.dataset.shows) announce(panel, news);
  document.body.dataset.shows = shown;
  const stands = `${news.state} ${news.step}`;
  if (tellsStates && stands !== told) tell("state", { state: news.state, step: news.step });
  told = stands;
  if (news.receipt && !success) {
    success = true;
    tell("successPayment", news.receipt); // the name that the published element knows, then the one of its examples
    tell("paymentSuccess", news.receipt);
  }
}

/**
 * @param {string} panel
 * @param {News} news
 */
function announce(panel, news) {
  if (panel === "choose") return;
  each("#live", (one) => (one.textContent = `${news.title} ${news.money}`));
  if (document.hasFocus()) all("[data-title]")[0]?.focus({ preventScroll: true });
}

/** @type {News | undefined} */
let latest;
let turn = 0;

/** News that cannot be read out for want of a network are read out later: nothing else would ask again. */
async function look() {
  const mine = ++turn;
  try {
    const language = document.documentElement.lang;
    const address = `/widget/look?language=${language}`;
    const answer = await fetch(address, { method: "POST", body: link ?? "", cache: "no-store" });
    if (!answer.ok) throw answer;
    /** @type {News} */
    const news = await answer.json();
    if (mine !== turn) return; // a later look knows more
    latest = news;
    show(news);
  } catch {
    setTimeout(() => mine === turn && look(), AGAIN_MS);
  }
}

/** @returns {Promise<{url: string, token: string}>} */
async function enter() {
  const answer = await fetch("/widget/enter", { method: "POST", body: link ?? "", cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

async function begin() {
  /** @type {{url: string, token: string} | undefined} */
  let entry;
  try {
    entry = await enter();
  } catch {
    setTimeout(begin, AGAIN_MS); // offline: without an entry there is nothing to follow yet
    return;
  }
  const token = async () => {
    const given = entry ?? (await enter());
    entry = undefined; // each is good for once; live.js renews it as long as it can
    return given.token;
  };
  follow(entry.url, token, look);
}

for (const form of all("[data-pay]")) {
  form.addEventListener("submit", () => {
    opened = true;
    if (latest) setTimeout(() => latest && show(latest)); // once the browser took the form
  });
}
each("[data-back]", (back) =>
  back.addEventListener("click", () => {
    opened = false;
    each("[data-panel]", (one) => (one.hidden = one.dataset.panel !== "choose"));
    document.body.dataset.shows = "choose";
    all("[data-panel=choose] h1")[0]?.focus();
  }),
);
each("[data-close]", (button) => button.addEventListener("click", close));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented) close();
});
tell("settings", JSON.stringify({ language: document.documentElement.lang }));
const watched = all("[data-sheet]")[0];
if (watched) new ResizeObserver(measure).observe(watched);
if (link) {
  begin();
  look();
}
