// @ts-check
/**
 * Asks how the payment stands and moves on when it stands elsewhere.
 * Asks at once when the live stream tells of something, when a phone wakes or when the tab is shown again, and less
 * often the longer nothing happens: where no stream gets through, the page still moves on.
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
  followLive(address.replace(/status$/, "live"), () => {
    clearTimeout(timer);
    timer = setTimeout(ask); // several events that come together are one reason to ask
  }).catch(() => undefined);
}

/**
 * @param {string} door where this session gets a token for its payment
 * @param {(news: import("/live/live.js").News) => void} onNews
 */
export async function followLive(door, onNews) {
  const { follow } = await import("/live/live.js");
  const enter = async () => (await fetch(door, { method: "POST", cache: "no-store" })).json();
  let entry = await enter();
  follow(
    entry.url,
    async () => {
      const { token } = entry ?? (await enter());
      entry = undefined;
      return token;
    },
    onNews,
  );
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
