// @ts-check
/** A form that was sent stays sent: a second press does nothing for a while, or until the page is shown anew. */

const PATIENCE_MS = 10_000;

/** Guard every form that posts. The button stays focusable; the server is idempotent in any case. */
export function sendOnce() {
  for (const form of document.forms) {
    if (form.method !== "post") continue;
    form.addEventListener("submit", (event) => {
      if (form.ariaBusy === "true") event.preventDefault();
      form.ariaBusy = "true";
      setTimeout(() => (form.ariaBusy = "false"), PATIENCE_MS); // the payer may have stopped the page
    });
  }
  // The back button may bring the page from memory, with the form still marked.
  addEventListener("pageshow", () => {
    for (const form of document.forms) form.ariaBusy = "false";
  });
}
