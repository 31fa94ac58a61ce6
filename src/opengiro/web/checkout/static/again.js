// @ts-check
/** Looks again by itself where the server could not answer, while somebody sees the page. */

const AT_LEAST_S = 5; // what is read aloud is then heard to its end
const APART_S = 5; // those who were sent away together do not come back together

export function lookAgain() {
  const link = document.querySelector("a[data-again]");
  if (!(link instanceof HTMLAnchorElement)) return;
  const look = () => {
    if (document.hidden) document.addEventListener("visibilitychange", look, { once: true });
    else location.replace(link.href);
  };
  setTimeout(look, 1000 * (AT_LEAST_S + Number(link.dataset.again) + Math.random() * APART_S));
}
