// @ts-check
/** A form that was sent stays sent: a second press does nothing until the page is shown anew. */

/** Guard every form that posts. The button stays focusable; the server is idempotent in any case. */
export function sendOnce() {
  for (const form of document.forms) {
    if (form.method !== "post") continue;
    form.addEventListener("submit", (event) => {
      if (form.ariaBusy === "true") event.preventDefault();
      else form.ariaBusy = "true";
    });
  }
  // The back button may bring the page from memory, with the form still marked.
  addEventListener("pageshow", () => {
    for (const form of document.forms) form.ariaBusy = "false";
  });
}
