// @ts-check
/**
 * Asks how the payment stands and moves on when it stands elsewhere.
 * Asks at once when a phone wakes or the tab is shown again, and less often the longer nothing happens.
 */

const SOONEST_MS = 2000;
const LATEST_MS = 10_000;

export function watchStatus() {
  const address = document.body.dataset.status;
  if (!address) return;
  const shown = { step: "", wait: SOONEST_MS };
  let timer = 0;

  const ask = async () => {
    clearTimeout(timer);
    if (document.hidden) return; // asked again when shown
    try {
      const answer = await fetch(address, { headers: { accept: "application/json" }, cache: "no-store" });
      if (answer.ok) heed(await answer.json(), shown);
    } catch {
      shown.wait = LATEST_MS; // offline: the next look may be luckier
    }
    timer = setTimeout(ask, shown.wait);
    shown.wait = Math.min(shown.wait * 1.25, LATEST_MS);
  };

  document.addEventListener("visibilitychange", ask);
  addEventListener("online", ask);
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  timer = setTimeout(ask, SOONEST_MS);
}

/**
 * @param {{step: string, next: string | null, checked: string, words: string}} news
 * @param {{step: string, wait: number}} shown
 */
function heed(news, shown) {
  const here = shown.step || (shown.step = document.body.dataset.step ?? news.step);
  if (news.next || news.step !== here) {
    announce(news.words);
    location.replace(news.next ?? location.href);
    return;
  }
  const checked = document.querySelector("[data-checked]");
  if (checked) checked.textContent = news.checked;
}

/** @param {string} words */
function announce(words) {
  const live = document.getElementById("live");
  if (live) live.textContent = words;
}
