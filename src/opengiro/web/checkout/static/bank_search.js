// @ts-check
/**
 * Search as you type: a combobox over the list of banks that the server printed.
 * Rows at hand are filtered at once; the server, which also forgives typing errors and knows BICs and IBANs,
 * answers a moment later and has the last word.
 */

/** @typedef {{name: string, mark: string, colour: string, ink: string, note: string, href: string | null}} Row */

const PAUSE_MS = 90;

export function searchBanks() {
  const input = document.getElementById("q");
  const list = document.getElementById("banks");
  if (!(input instanceof HTMLInputElement) || !list) return;
  new Search(input, list).start();
}

class Search {
  /**
   * @param {HTMLInputElement} input
   * @param {HTMLElement} list
   */
  constructor(input, list) {
    this.input = input;
    this.list = list;
    this.printed = [...list.children];
    this.nothing = /** @type {HTMLElement} */ (document.getElementById("nothing"));
    this.active = -1;
    this.timer = 0;
    /** @type {AbortController | undefined} */
    this.asking = undefined;
  }

  start() {
    const input = this.input;
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", "banks");
    input.setAttribute("aria-expanded", "true");
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", document.getElementById("heading")?.textContent ?? "");
    this.dress();
    input.addEventListener("input", () => this.typed());
    input.addEventListener("keydown", (event) => this.pressed(event));
    input.form?.addEventListener("submit", (event) => this.entered(event));
  }

  /** Give every row its place in the listbox. */
  dress() {
    for (const group of this.list.querySelectorAll("section")) {
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", group.querySelector("h2")?.textContent ?? "");
    }
    // A listbox holds groups and options only; the heading is the group's name already.
    for (const heading of this.list.querySelectorAll("h2")) heading.setAttribute("aria-hidden", "true");
    for (const item of this.list.querySelectorAll("ul, li")) {
      item.setAttribute("role", "presentation");
      item.removeAttribute("aria-labelledby");
    }
    this.rows().forEach((row, place) => dressRow(row, place));
    this.point(-1);
  }

  /** @returns {HTMLElement[]} */
  rows() {
    /** @type {NodeListOf<HTMLElement>} */
    const rows = this.list.querySelectorAll(".bank");
    return [...rows].filter((row) => !row.closest("[hidden]"));
  }

  typed() {
    clearTimeout(this.timer);
    this.asking?.abort();
    const query = this.input.value.trim();
    if (!query) return this.showPrinted();
    this.filterAtHand(fold(query));
    this.timer = setTimeout(() => this.ask(query), PAUSE_MS);
  }

  showPrinted() {
    this.list.replaceChildren(...this.printed);
    for (const item of this.list.querySelectorAll("li, section")) item.toggleAttribute("hidden", false);
    this.dress();
    this.nothing.hidden = this.rows().length > 0;
    this.announce("");
  }

  /** Hide rows that do not match, but never all of them: a typing error is for the server to forgive. */
  filterAtHand(/** @type {string} */ wanted) {
    const items = [...this.list.querySelectorAll("li")];
    const matches = items.map((item) => fold(item.querySelector(".bank-name")?.textContent ?? "").includes(wanted));
    if (!matches.includes(true)) return;
    items.forEach((item, place) => item.toggleAttribute("hidden", !matches[place]));
    for (const group of this.list.querySelectorAll("section")) {
      group.toggleAttribute("hidden", !group.querySelector("li:not([hidden])"));
    }
    this.point(-1);
  }

  /** @param {string} query */
  async ask(query) {
    this.asking = new AbortController();
    const address = new URL(this.input.dataset.source ?? "", location.href);
    address.searchParams.set("q", query);
    address.searchParams.set("country", this.input.dataset.country ?? "");
    try {
      const answer = await fetch(address, { signal: this.asking.signal, headers: { accept: "application/json" } });
      if (answer.ok) this.show(/** @type {{title: string, banks: Row[]}} */ (await answer.json()));
    } catch {
      // Offline, or typing went on: what is shown stays.
    }
  }

  /** @param {{title: string, banks: Row[]}} found */
  show(found) {
    const list = make("ul", "bank-list");
    list.append(...found.banks.map(drawRow));
    const group = make("section", "bank-group");
    group.append(make("h2", "", found.title), list);
    this.list.replaceChildren(...(found.banks.length ? [group] : []));
    this.nothing.hidden = found.banks.length > 0;
    this.dress();
    const { found: some = "", nothing: none = "" } = this.input.dataset;
    this.announce(found.banks.length ? some.replace("%d", String(found.banks.length)) : none);
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const rows = this.rows();
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step && rows.length) {
      event.preventDefault();
      const from = this.active < 0 && step < 0 ? 0 : this.active;
      this.point((from + step + rows.length) % rows.length);
    } else if (event.key === "Escape" && this.input.value) {
      event.preventDefault();
      this.input.value = "";
      this.typed();
    }
  }

  /** Enter goes to the bank pointed at, or to the only one left. */
  entered(/** @type {Event} */ event) {
    const rows = this.rows();
    const chosen = this.active >= 0 ? rows[this.active] : rows.length === 1 ? rows[0] : undefined;
    if (!chosen) return;
    event.preventDefault();
    if (chosen instanceof HTMLAnchorElement) location.assign(chosen.href);
  }

  /** @param {number} place */
  point(place) {
    this.active = place;
    const rows = this.rows();
    rows.forEach((row, at) => {
      row.classList.toggle("is-active", at === place);
      row.setAttribute("aria-selected", String(at === place));
    });
    const row = rows[place];
    if (row) this.input.setAttribute("aria-activedescendant", row.id);
    else this.input.removeAttribute("aria-activedescendant");
    row?.scrollIntoView({ block: "nearest" });
  }

  /** @param {string} words */
  announce(words) {
    const live = document.getElementById("live");
    if (live) live.textContent = words;
  }
}

/**
 * @param {HTMLElement} row
 * @param {number} place
 */
function dressRow(row, place) {
  row.id = `bank-${place}`;
  row.setAttribute("role", "option");
  if (!(row instanceof HTMLAnchorElement)) row.setAttribute("aria-disabled", "true");
}

/** @param {Row} row */
function drawRow(row) {
  const item = make("li", "");
  const bank = make(row.href ? "a" : "span", row.href ? "bank" : "bank is-down");
  if (row.href) bank.setAttribute("href", row.href);
  const words = make("span", "bank-words");
  words.append(make("span", "bank-name", row.name));
  if (row.note) words.append(make("span", "bank-note", row.note));
  bank.append(drawTile(row), words);
  item.append(bank);
  return item;
}

/** @param {Row} row */
function drawTile(row) {
  const tile = shape("svg", { class: "tile", width: "40", height: "40", viewBox: "0 0 40 40", "aria-hidden": "true" });
  const face = shape("rect", { width: "40", height: "40", rx: "10", fill: row.colour });
  const place = { x: "20", y: "20", dy: ".36em", "text-anchor": "middle", "font-size": "15", "font-weight": "600" };
  const mark = shape("text", { ...place, fill: row.ink });
  mark.textContent = row.mark;
  tile.append(face, mark);
  return tile;
}

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 */
function shape(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/**
 * @param {string} name
 * @param {string} kind
 * @param {string} [text]
 */
function make(name, kind, text = "") {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  element.textContent = text;
  return element;
}

/** Without accents and case, as people type. @param {string} text */
function fold(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
