// @ts-check
/**
 * `window.ecommerceBanqWidget`, as shops of the banq wire load it: a classic script in front of `opengiro.js`, which
 * holds the button and the dialog. It is written for old parsers, since shops put it through their own tools.
 *
 * @typedef {{selector: string, getPaymentInfo: () => Promise<string>, onPopUpClose?: () => void,
 *   onPaymentSuccess?: () => void}} Options
 * @typedef {HTMLElement & {getLink?: () => Promise<string>, close: () => void}} Checkout
 */
(function () {
  "use strict";
  var script = /** @type {HTMLScriptElement} */ (document.currentScript);
  var home = script.src.replace(/[^/]*$/, "");
  var loading = false;

  function load() {
    if (loading || customElements.get("opengiro-checkout")) return;
    loading = true;
    var module = document.createElement("script");
    module.type = "module";
    module.src = home + "opengiro.js";
    module.nonce = script.nonce;
    module.onerror = function () {
      loading = false;
      console.error("The payment button could not be loaded from " + module.src);
    };
    document.head.appendChild(module);
  }

  /**
   * @this {any}
   * @param {Options} options
   */
  function EcommerceBanqWidget(options) {
    /** @type {Checkout | null} */
    var element = null;
    var turn = 0; // counts starts and ends, so that a module that comes late puts up nothing

    function mount() {
      var place = document.querySelector(options.selector);
      if (!place) throw new Error("There is no element " + options.selector + " for the payment button.");
      var made = /** @type {Checkout} */ (document.createElement("opengiro-checkout"));
      made.getLink = function () {
        return Promise.resolve(options.getPaymentInfo());
      };
      made.addEventListener("opengiro-close", function () {
        if (options.onPopUpClose) options.onPopUpClose();
      });
      made.addEventListener("opengiro-success", function () {
        if (options.onPaymentSuccess) options.onPaymentSuccess();
      });
      element = made;
      place.appendChild(made);
    }

    /** Put the button into its place. */
    this.bootstrapApp = function () {
      var mine = ++turn;
      if (element) return;
      load();
      customElements.whenDefined("opengiro-checkout").then(function () {
        if (mine !== turn) return;
        if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mount);
        else mount();
      });
    };

    /** Close the popup, if it is open, and take the button away. */
    this.destroyWidget = function () {
      turn++;
      var gone = element;
      element = null;
      if (gone) gone.remove();
    };
  }

  /** @type {any} */ (window).ecommerceBanqWidget = EcommerceBanqWidget;
})();
