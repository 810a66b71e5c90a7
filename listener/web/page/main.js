// The page: routes messages of the daemon to the views, and switches views and themes.

import { isDark } from "./colours.js";
import { $, formatted } from "./dom.js";
import * as health from "./health.js";
import * as history from "./history.js";
import * as labels from "./labels.js";
import * as live from "./live.js";
import { listen } from "./stream.js";

const VIEWS = ["live", "history", "labels", "health"];
const REFUSED_MS = 8000; // long enough to be read
const daemon = { hello: null, status: null, thresholds: {} };
let broken = "", disconnected = "", refused = "", shown = "", forgetting = 0;

function onMessage(message) {
  switch (message.type) {
    case "hello": return onHello(message);
    case "disconnected": return onDisconnected(message.why);
    case "state": return onState(message);
    case "status": return onStatus(message);
    case "event": return live.onEvent(message);
    case "level":
      labels.onLevel(message);
      return live.onLevel(message, daemon.thresholds);
    case "spectrum": return live.onSpectrum(message);
  }
}

function onHello(hello) {
  Object.assign(daemon, { hello, thresholds: hello.thresholds });
  disconnected = "";
  live.onHello(hello);
  labels.onHello(hello);
  history.onHello(hello);
  showCondition();
}

function onDisconnected(why) {
  if (!disconnected) live.onDisconnected();
  daemon.status = null;
  disconnected = why;
  showCondition();
}

function onState(state) {
  daemon.thresholds = { ...daemon.hello?.thresholds, ...state.thresholds };
  labels.onState(state);
  live.onState(labels.snoozedBy);
}

function onStatus(status) {
  daemon.status = status;
  live.onStatus(status);
  labels.onStatus(status);
  health.onStatus(status, daemon.hello);
  showCondition();
}

/** Show the condition in a few words at the top, and what is wrong in a sentence above everything. */
function showCondition() {
  const wrong = refused || broken || disconnected;
  $("notice").hidden = !wrong;
  if (wrong !== shown) $("notice").replaceChildren(...formatted(wrong)); // so that a screen reader reads it only once
  shown = wrong;
  const [text, good] = condition();
  if ($("state").textContent !== text) $("state").textContent = text;
  $("state").className = `state ${good ? "good" : "bad"}`;
}

function condition() {
  if (disconnected) return ["no daemon", false];
  if (!daemon.status) return [broken ? "not connected" : "connecting", false];
  const sources = Object.entries(daemon.status.sources);
  const away = sources.find(([, source]) => source.state !== "listening");
  if (away) return [`${away[0]} is ${away[1].state}`, false];
  const troubled = sources.find(([, source]) => source.trouble);
  return troubled ? [`problem with ${troubled[0]}`, false] : ["listening", true];
}

/** Show for a while why the daemon refused a command. */
function onRefused(why) {
  refused = why;
  clearTimeout(forgetting);
  forgetting = setTimeout(() => { refused = ""; showCondition(); }, REFUSED_MS);
  showCondition();
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

function onTheme() {
  $("theme").textContent = isDark() ? "Light" : "Dark";
  $("theme").setAttribute("aria-label", `Use the ${isDark() ? "light" : "dark"} theme`);
  live.recolour();
}

$("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  onTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onTheme);
addEventListener("hashchange", () => { route(); $("main").focus(); });
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("main").focus(); });

onTheme();
route();
labels.whenRefused(onRefused);
listen(onMessage, (what) => { broken = what; showCondition(); });
