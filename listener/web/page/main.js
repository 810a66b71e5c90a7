// The page: which view is shown, what the daemon says to whom, light and dark.

import { isDark } from "./colours.js";
import { $, said } from "./dom.js";
import * as health from "./health.js";
import * as history from "./history.js";
import * as labels from "./labels.js";
import * as live from "./live.js";
import { listen } from "./stream.js";

const VIEWS = ["live", "history", "labels", "health"];
const daemon = { hello: null, status: null, thresholds: {} };
const REFUSED_MS = 8000; // long enough to be read
let broken = "", away = "", refused = "", noticed = "", forgetting = 0;

function hear(message) {
  switch (message.type) {
    case "hello": return greet(message);
    case "away": return leave(message.why);
    case "state": return change(message);
    case "status": return check(message);
    case "event": return live.happen(message);
    case "level":
      labels.hear(message);
      return live.meter(message, daemon.thresholds);
    case "spectrum": return live.picture(message);
  }
}

function greet(hello) {
  Object.assign(daemon, { hello, thresholds: hello.thresholds });
  away = "";
  live.greet(hello);
  labels.greet(hello);
  history.greet(hello);
  say();
}

function leave(why) {
  if (!away) live.settle();
  daemon.status = null;
  away = why;
  say();
}

function change(state) {
  daemon.thresholds = { ...daemon.hello?.thresholds, ...state.thresholds };
  labels.change(state);
}

function check(status) {
  daemon.status = status;
  live.condition(status);
  labels.check(status);
  health.check(status, daemon.hello);
  say();
}

/** How it is, in a few words at the top; what is wrong, in a sentence above everything. */
function say() {
  const wrong = refused || broken || (away && `No listener is attached: ${away}. This page goes on by itself when it runs.`);
  $("notice").hidden = !wrong;
  if (wrong !== noticed) $("notice").replaceChildren(...said(wrong)); // a screen reader tells it once
  noticed = wrong;
  const deaf = Object.entries(daemon.status?.sources ?? {}).filter(([, source]) => source.state !== "listening" || source.trouble);
  const well = daemon.status && !away && !deaf.length;
  const words = broken && !daemon.status ? "not connected" : away ? "no listener" : deaf.length ? `${deaf[0][0]} is ${deaf[0][1].state}` : well ? "listening" : "connecting";
  if ($("state").textContent !== words) $("state").textContent = words;
  $("state").className = `state ${well ? "well" : "ill"}`;
}

/** What the daemon would not do is said for a while. */
function refuse(why) {
  refused = why;
  clearTimeout(forgetting);
  forgetting = setTimeout(() => { refused = ""; say(); }, REFUSED_MS);
  say();
}

function route() {
  const view = VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "live";
  for (const name of VIEWS) {
    $(name).hidden = name !== view;
    const link = document.querySelector(`nav a[href="#${name}"]`);
    if (name === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = view === "live" ? "listener" : `listener: ${view}`;
  if (view === "history") history.show();
}

function paint() {
  $("theme").textContent = isDark() ? "Light" : "Dark";
  $("theme").setAttribute("aria-label", `Use the ${isDark() ? "light" : "dark"} look`);
  live.recolour();
}

$("theme").addEventListener("click", () => {
  const look = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = look;
  localStorage.setItem("theme", look);
  paint();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
addEventListener("hashchange", () => { route(); $("main").focus(); });
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); });

paint();
route();
labels.onRefusal(refuse);
listen(hear, (what) => { broken = what; say(); });
