/**
 * Follows how an order stands: by live status where the payment service has it, and by asking now and then in any case.
 * What live status says is a reason to ask the shop, which reads the payment itself.
 */

const SOON_MS = 1500;
const LATER_MS = 8000;
const SLOWER = 1.15;

/**
 * @param {string} page the order's address
 * @param {string} known how it stands so far
 * @param {(standing: string) => boolean} onChange returns whether there is more to follow
 * @returns {() => void} has the shop look at the payment at once
 */
export function followOrder(page, known, onChange) {
  let stopped = false;
  let pause_ms = SOON_MS;
  let timer = 0;
  /** @type {(() => void) | undefined} */
  let hangUp;

  const stop = () => {
    stopped = true;
    clearTimeout(timer);
    hangUp?.();
  };

  const look = async (/** @type {string} */ query) => {
    const standing = await ask(`${page}/standing${query}`);
    if (stopped || !standing || standing === known) return;
    known = standing;
    if (!onChange(standing)) stop();
  };

  const now_and_then = () => {
    timer = setTimeout(async () => {
      await look("");
      if (!hangUp && !stopped) listen();
      pause_ms = Math.min(pause_ms * SLOWER, LATER_MS);
      if (!stopped) now_and_then();
    }, pause_ms);
  };

  const listen = async () => {
    const live = await token(page);
    if (!live || stopped || hangUp) return;
    hangUp = () => {};
    try {
      const { follow } = await import(new URL("/live/live.js", live.url).href);
      if (!stopped) hangUp = follow(live.url, async () => (await token(page))?.token ?? "", () => look("?look"));
    } catch {
      // Without the module the page goes on asking.
    }
  };

  listen();
  now_and_then();
  return () => look("?look");
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

/**
 * @param {string} page
 * @returns {Promise<{url: string, token: string} | null>} what to follow with, or null while there is nothing
 */
async function token(page) {
  try {
    const answer = await fetch(`${page}/live`, { cache: "no-store" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
