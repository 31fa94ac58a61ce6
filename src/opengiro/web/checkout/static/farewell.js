// @ts-check
/** Goes back to the shop by itself after some seconds, unless the payer wants to stay. */

export function farewell() {
  const link = document.querySelector("a[data-farewell]");
  const box = document.querySelector(".farewell");
  const left = document.querySelector("[data-seconds]");
  const stay = document.querySelector("[data-stay]");
  if (!(link instanceof HTMLAnchorElement) || !(box instanceof HTMLElement) || !left || !stay) return;
  let seconds = Number(link.dataset.farewell);
  box.hidden = false;
  const timer = setInterval(() => {
    seconds -= 1;
    left.textContent = String(Math.max(seconds, 0));
    if (seconds > 0) return;
    clearInterval(timer);
    location.assign(link.href);
  }, 1000);
  stay.addEventListener("click", () => {
    clearInterval(timer);
    box.hidden = true;
    link.focus();
  });
}
