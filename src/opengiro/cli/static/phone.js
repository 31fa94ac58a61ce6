// @ts-check
/** Opens what is followed in a window of a phone's size; where such windows are not to be had, this page goes there. */

const SIZE = "popup,width=390,height=844";

/** @type {NodeListOf<HTMLFormElement>} */
const forms = document.querySelectorAll("[data-phone]");
for (const form of forms) {
  form.addEventListener("submit", () => {
    const name = `phone-${Date.now()}`; // each scan is a fresh window, as each phone is
    form.target = window.open("", name, SIZE) ? name : "";
  });
}
