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
  let wait = SOONEST_MS;
  let timer = 0;

  const ask = async () => {
    clearTimeout(timer);
    if (document.hidden) return; // asked again when shown
    try {
      const answer = await fetch(address, { headers: { accept: "application/json" }, cache: "no-store" });
      if (answer.status === 400) location.reload(); // the session is over: the page will say so
      else if (answer.ok) heed(await answer.json());
    } catch {
      wait = LATEST_MS; // offline: the next look may be luckier
    }
    timer = setTimeout(ask, wait);
    wait = Math.min(wait * 1.25, LATEST_MS);
  };

  document.addEventListener("visibilitychange", ask);
  addEventListener("online", ask);
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  timer = setTimeout(ask, SOONEST_MS);
}

/** @param {{step: string, next: string, checked: string}} news */
function heed(news) {
  if (news.step !== document.body.dataset.step) {
    location.replace(news.next);
    return;
  }
  const checked = document.querySelector("[data-checked]");
  if (checked) checked.textContent = news.checked;
}
