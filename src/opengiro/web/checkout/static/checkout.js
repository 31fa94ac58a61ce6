// @ts-check
/** What a page gains when scripts run. Each part finds its own elements; a page without them gains nothing. */

import { searchBanks } from "./bank_search.js";
import { lookAgain } from "./again.js";
import { farewell } from "./farewell.js";
import "./handoff.js";
import { sendOnce } from "./once.js";
import { watchStatus } from "./status.js";

document.documentElement.classList.add("has-script");
searchBanks();
sendOnce();
watchStatus();
farewell();
lookAgain();
focusOnStep();

/** Put readers at what is new: the list of mistakes, else the heading of this step. */
function focusOnStep() {
  if (location.hash) return;
  const target = document.getElementById("complaints") ?? document.getElementById("heading");
  target?.focus({ preventScroll: true });
}
