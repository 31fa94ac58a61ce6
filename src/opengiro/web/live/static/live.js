// @ts-check
/**
 * Follows one payment from a page: streams where the network lets it, polls where it does not, and catches up when
 * a tab wakes or the network returns. Each move is told once and none is left out.
 *
 * @typedef {{type: "state", sequence: number, state: string, final: boolean, at: string, reason?: string}} StateNews
 * @typedef {{type: "step", step: string}} StepNews
 * @typedef {{type: "end", reason: "final" | "token_ended"}} EndNews
 * @typedef {StateNews | StepNews | EndNews} News
 */

const MUTE_MS = 10_000; // every stream begins with an event: one that has none by then is held up on its way
const RENEW_MS = 300_000; // a third of a token's life
const PATIENCE_MS = 10_000;

/**
 * @param {string} url the payment's live address, without a transport
 * @param {string | (() => Promise<string>)} token a live token, or what fetches one: it is asked again when one ended
 * @param {(news: News) => void} onEvent
 * @returns {() => void} stops following
 */
export function follow(url, token, onEvent) {
  let last = -1;
  let step = "";
  let pass = "";
  let since = 0;
  let tries = 0;
  let turn = 0; // counts beginnings, so that what an earlier one left behind falls silent
  let polls = false;
  let timer = 0;
  /** @type {EventSource | undefined} */
  let stream;
  /** @type {AbortController | undefined} */
  let call;

  const hush = () => {
    turn++;
    clearTimeout(timer);
    stream?.close();
    call?.abort();
  };

  const stop = () => {
    hush();
    for (const [target, name] of wakes) target.removeEventListener(name, wake);
  };

  const later = () => {
    hush();
    timer = setTimeout(begin, Math.min(500 * 2 ** tries++, PATIENCE_MS) * (0.5 + Math.random() / 2));
  };

  /** @param {News | {type: "end", reason: "reconnect"}} news */
  const heed = (news) => {
    if (news.type !== "end") tries = 0;
    if (news.type === "state") {
      if (news.sequence <= last) return;
      last = news.sequence;
    } else if (news.type === "step") {
      if (news.step === step) return;
      step = news.step;
    } else if (news.reason === "reconnect") {
      later();
      return;
    } else if (news.reason === "token_ended" && typeof token === "function" && pass) {
      pass = "";
      later();
      return;
    } else stop();
    onEvent(/** @type {News} */ (news));
  };

  const freshen = async () => {
    const renews = pass && Date.now() - since > RENEW_MS;
    if (pass && !renews) return;
    if (renews) {
      const answer = await fetch(`${url}/token?token=${pass}`, { method: "POST", cache: "no-store" });
      if (answer.ok) pass = (await answer.json()).token;
    } else pass = typeof token === "function" ? await token() : token;
    since = Date.now();
  };

  const begin = async () => {
    hush();
    const mine = turn;
    try {
      await freshen();
      if (mine === turn) await (polls ? poll(mine) : listen(mine));
    } catch {
      if (mine === turn) later();
    }
  };

  /** @param {number} mine */
  const listen = (mine) => {
    const known = last < 0 ? "" : `&last_event_id=${last}`;
    const source = (stream = new EventSource(`${url}/events?token=${pass}${known}`));
    const giveUp = () => {
      polls = true;
      begin();
    };
    timer = setTimeout(giveUp, MUTE_MS);
    source.onmessage = ({ data }) => {
      if (mine !== turn) return;
      clearTimeout(timer);
      heed(JSON.parse(data));
    };
    source.onerror = () => {
      if (mine !== turn) return;
      if (source.readyState === EventSource.CLOSED) giveUp(); // refused: the poll learns why
      else later();
    };
  };

  /** @param {number} mine */
  const poll = async (mine) => {
    while (mine === turn) {
      call = new AbortController();
      const query = `after=${last}&step=${step}&wait=25&token=${pass}`;
      const answer = await fetch(`${url}/poll?${query}`, { cache: "no-store", signal: call.signal });
      if (mine !== turn) return;
      if (answer.status === 401 || answer.status === 404) return heed({ type: "end", reason: "token_ended" });
      if (!answer.ok) throw answer;
      for (const news of (await answer.json()).events) if (mine === turn) heed(news);
      if (mine === turn) await freshen();
    }
  };

  /** @param {Event | PageTransitionEvent} event */
  const wake = (event) => {
    if (document.hidden || ("persisted" in event && !event.persisted)) return;
    tries = 0;
    polls = false;
    begin();
  };

  /** @type {[EventTarget, string][]} */
  const wakes = [[document, "visibilitychange"], [window, "online"], [window, "pageshow"]];
  for (const [target, name] of wakes) target.addEventListener(name, wake);
  begin();
  return stop;
}
