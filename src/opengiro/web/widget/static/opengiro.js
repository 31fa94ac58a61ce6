// @ts-check
/**
 * `<opengiro-checkout>`: a button that opens the checkout over the shop's page.
 *
 *     <script type="module" src="https://pay.example/widget/opengiro.js"></script>
 *     <opengiro-checkout src="/generate-payment-link" order="009221"></opengiro-checkout>
 *
 * Attributes: `link` (a payment link) or `src` (the shop's endpoint that makes one, sent `{"orderId": order}`), `order`,
 * `language`, `theme` (light, dark), `label`, `open`. A page may set `getLink` to a function that returns a promise of
 * a link instead. The dialog opens in the click itself; the link may take its time.
 *
 * What the checkout tells is a hint for the page. Whether an order is paid, the shop's server learns from its webhook.
 *
 * @typedef {{paymentGuid: string, externalOrderCode: string | null, status: string}} Receipt
 * @typedef {{state: string, step: string | null}} Standing
 * @typedef {{"opengiro-open": CustomEvent<null>, "opengiro-close": CustomEvent<null>,
 *   "opengiro-state": CustomEvent<Standing>, "opengiro-success": CustomEvent<Receipt>,
 *   "opengiro-error": CustomEvent<{error: unknown}>}} OpengiroEvents
 */

const HOME = new URL(".", import.meta.url);
const WORDS = {
  en: ["Pay by bank", "Preparing your payment…", "The payment could not be prepared. No money has moved.", "Try again", "Close", "Payment"],
  fr: ["Payer par banque", "Préparation de votre paiement…", "Le paiement n’a pas pu être préparé. Aucune somme n’a été débitée.", "Réessayer", "Fermer", "Paiement"],
};
const SIZE = /^[\w%., ()]{1,60}$/;

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { display: inline-block; --accent: var(--opengiro-accent, #1546c8); --on: var(--opengiro-on-accent, #fff); --round: var(--opengiro-radius, 14px); font: var(--opengiro-font, 1rem/1.45 system-ui, sans-serif); }
:host([hidden]) { display: none; }
button { font: inherit; font-weight: 650; cursor: pointer; min-block-size: 2.875rem; padding: .5rem 1.5rem; border: 2px solid transparent; border-radius: var(--round); }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.pay { background: var(--accent); color: var(--on); min-inline-size: min(100%, 16rem); inline-size: 100%; }
.pay:hover { filter: brightness(.92); }
dialog { border: 0; padding: 0; margin: auto; max-inline-size: 100vw; max-block-size: 100vh; overflow: auto; border-radius: 18px; background: #fff; color: #10203a; box-shadow: 0 18px 60px -12px rgb(10 25 60 / .5); }
dialog.dark { background: #131d31; color: #eef2fa; }
dialog::backdrop { background: var(--opengiro-backdrop, rgb(10 17 32 / .55)); }
iframe { display: block; border: 0; inline-size: min(860px, 100vw); block-size: min(30rem, 100vh); max-inline-size: 100vw; }
iframe.comes { position: absolute; visibility: hidden; }
.told { display: grid; justify-items: center; align-content: center; gap: 1rem; padding: 2.5rem 1.5rem; text-align: center; inline-size: min(26rem, 100vw); min-block-size: 15rem; box-sizing: border-box; }
.told p { margin: 0; font-weight: 550; }
.told button { background: none; color: inherit; border-color: currentColor; }
.told .again { background: var(--accent); color: var(--on); border-color: transparent; }
.spin { inline-size: 2.5rem; block-size: 2.5rem; box-sizing: border-box; border-radius: 50%; border: 4px solid color-mix(in srgb, var(--accent) 25%, transparent); border-block-start-color: var(--accent); }
[hidden] { display: none !important; }
@media (prefers-reduced-motion: no-preference) { .spin { animation: spin 1s linear infinite; } dialog[open] { animation: come .16s ease-out; } }
@keyframes spin { to { transform: rotate(1turn); } }
@keyframes come { from { opacity: 0; transform: translateY(.75rem); } }
@media (max-width: 40rem) { dialog { margin-block-end: 0; border-end-start-radius: 0; border-end-end-radius: 0; } }
@media (forced-colors: active) { button, dialog { border: 2px solid; } }
`);

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} facts
 * @param {Node[]} inside
 */
function make(tag, facts, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

export class OpengiroCheckout extends HTMLElement {
  static observedAttributes = ["open", "language", "label"];

  /** @type {(() => Promise<string> | string) | undefined} */
  getLink;

  #pay = make("button", { type: "button", part: "button", class: "pay", "aria-haspopup": "dialog" });
  #says = make("p", { role: "status" });
  #spin = make("div", { class: "spin", part: "spinner", "aria-hidden": "true" });
  #again = make("button", { type: "button", part: "retry", class: "again" });
  #leave = make("button", { type: "button", part: "close" });
  #told = make("div", { class: "told", part: "progress" }, this.#spin, this.#says, this.#again, this.#leave);
  #dialog = make("dialog", { part: "dialog" }, this.#told);
  /** @type {HTMLIFrameElement | undefined} */
  #frame;
  #turn = 0; // counts openings, so that a link that comes late opens nothing
  #shown = false;
  #paid = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    root.adoptedStyleSheets = [sheet];
    root.append(this.#pay, this.#dialog);
    this.#pay.addEventListener("click", () => this.show());
    this.#again.addEventListener("click", () => this.#load());
    this.#leave.addEventListener("click", () => this.close());
    this.#dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    this.#dialog.addEventListener("close", () => this.close()); // browsers close one that is cancelled twice
  }

  connectedCallback() {
    addEventListener("message", this.#hear);
    this.#write();
    if (this.hasAttribute("open")) this.show();
  }

  disconnectedCallback() {
    this.close();
    removeEventListener("message", this.#hear);
  }

  /** @param {string} name */
  attributeChangedCallback(name) {
    if (name !== "open") this.#write();
    else if (this.isConnected) this.open ? this.show() : this.close();
  }

  get open() {
    return this.hasAttribute("open");
  }

  set open(open) {
    this.toggleAttribute("open", open);
  }

  /** Open the dialog. */
  show() {
    if (this.#shown || !this.isConnected) return;
    this.#shown = true;
    this.#dialog.classList.toggle("dark", this.getAttribute("theme") === "dark");
    this.#dialog.showModal();
    this.open = true;
    this.#paid = false;
    this.#tell("opengiro-open", null);
    this.#load();
  }

  /** Close the dialog, wherever the payment stands. */
  close() {
    this.#turn++;
    this.#frame?.remove();
    this.#frame = undefined;
    const was = this.#shown;
    this.#shown = false;
    this.open = false;
    if (this.#dialog.open) this.#dialog.close();
    if (was) this.#tell("opengiro-close", null);
  }

  get #words() {
    const language = this.getAttribute("language") || document.documentElement.lang || navigator.language;
    return WORDS[/** @type {"en"} */ (language.slice(0, 2).toLowerCase())] ?? WORDS.en;
  }

  #write() {
    const [pay, , , again, leave, name] = this.#words;
    this.#pay.textContent = this.getAttribute("label") || (pay ?? "");
    this.#again.textContent = again ?? "";
    this.#leave.textContent = leave ?? "";
    this.#dialog.setAttribute("aria-label", name ?? "");
  }

  async #load() {
    const mine = ++this.#turn;
    this.#progress(1, false);
    try {
      const link = await this.#find();
      if (typeof link !== "string" || !link) throw new TypeError("there is no payment link");
      if (mine === this.#turn) this.#embed(link);
    } catch (error) {
      if (mine !== this.#turn) return;
      this.#progress(2, true);
      this.#again.focus();
      this.#tell("opengiro-error", { error });
    }
  }

  /**
   * @param {1 | 2} said
   * @param {boolean} failed
   */
  #progress(said, failed) {
    this.#told.hidden = false;
    this.#says.textContent = this.#words[said] ?? "";
    this.#spin.hidden = failed;
    this.#again.hidden = !failed;
    if (!failed) this.#leave.focus();
  }

  /** @returns {Promise<string>} */
  async #find() {
    if (this.getLink) return this.getLink();
    const link = this.getAttribute("link");
    if (link) return link;
    const answer = await fetch(this.getAttribute("src") ?? "", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ orderId: this.getAttribute("order") }),
    });
    if (!answer.ok) throw new Error(`the shop answered ${answer.status}`);
    const body = await answer.json();
    return body.data?.url ?? body.url;
  }

  /** @param {string} link */
  #embed(link) {
    const theme = this.getAttribute("theme") ?? "light";
    const query = new URLSearchParams({
      origin: location.origin,
      windowWidth: `${innerWidth}`,
      windowHeight: `${innerHeight}`,
      appConfig: JSON.stringify({ mode: "payment-flow", themeMode: theme }),
      paymentLink: link,
      events: "1",
    });
    const language = this.getAttribute("language");
    if (language) query.set("language", language);
    const frame = make("iframe", {
      src: `${HOME}?${query}`,
      title: this.#dialog.getAttribute("aria-label") ?? "",
      part: "frame",
      class: "comes",
      allow: "share" in navigator ? "clipboard-write; web-share" : "clipboard-write",
    });
    this.#frame = frame;
    frame.addEventListener("load", () => {
      frame.classList.remove("comes");
      this.#told.hidden = true;
      frame.focus();
    });
    this.#dialog.append(frame);
  }

  /** @param {MessageEvent} event */
  #hear = ({ source, origin, data }) => {
    if (!this.#frame || source !== this.#frame.contentWindow || origin !== HOME.origin) return;
    const { type, payload } = Object(data);
    if (type === "styles") {
      for (const side of /** @type {const} */ (["width", "height"]))
        if (SIZE.test(payload?.[side])) this.#frame.style[side] = payload[side];
    } else if (type === "state") this.#tell("opengiro-state", payload);
    else if (type === "close") this.close();
    else if (type === "successPayment" && !this.#paid) {
      this.#paid = true;
      this.#tell("opengiro-success", payload);
    }
  };

  /**
   * @template {keyof OpengiroEvents} K
   * @param {K} name
   * @param {OpengiroEvents[K]["detail"]} detail
   */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

if (!customElements.get("opengiro-checkout")) customElements.define("opengiro-checkout", OpengiroCheckout);
