// What a user may change while the daemon runs: thresholds, and what is not reported for a while.

import { $, clock, command, el, isToday, score, threshold, words } from "./dom.js";

const SPELLS = [["15 minutes", 900], ["an hour", 3600], ["8 hours", 28800], ["until woken", null]];

let hello = null, state = { snoozed: {}, thresholds: {}, listening_for: {} };
let refuse = () => {}; // told why the daemon would not do something
const rows = new Map(); // label -> its parts
const tops = new Map(); // microphone -> the best scores it said last

/** Have `say` called with each refusal, in words. */
export function onRefusal(say) {
  refuse = say;
}

export function greet(message) {
  hello = message;
  rows.clear();
  tops.clear();
  $("thresholds").replaceChildren(...hello.labels.map(made));
  change(state);
}

function made(label) {
  const slider = el("input", { type: "range", min: "0.01", max: "0.99", step: "0.01", "aria-label": `Threshold of ${words(label)}` });
  const number = el("output"), back = el("button", { type: "button" }, "Reset"), now = el("i");
  slider.addEventListener("input", () => { number.textContent = score(+slider.value); });
  slider.addEventListener("change", () => tell({ command: "threshold", what: label, on: +slider.value }));
  back.setAttribute("aria-label", `Reset the threshold of ${words(label)}`);
  back.addEventListener("click", () => { slider.focus(); tell({ command: "threshold", what: label }); });
  const mute = el("span", { class: "last" }), tunable = label in hello.thresholds;
  rows.set(label, { slider, number, back, now, mute });
  const tuner = tunable ? el("span", { class: "tuner" }, slider, number, back) : el("span", { class: "tuner quiet" }, "by its level");
  return el("li", {}, el("span", { class: "name" }, words(label)), el("span", { class: "bar" }, now), tuner, mute);
}

/** Show what is in force. */
export function change(message) {
  state = message;
  if (!hello) return;
  for (const [label, { slider, number, back, mute }] of rows) {
    const on = state.thresholds[label] ?? hello.thresholds[label];
    if (on !== undefined && !slider.matches(":active")) { // while it is dragged it is its user's
      slider.value = on;
      number.textContent = threshold(on);
    }
    back.hidden = !(label in state.thresholds);
    refill(mute, label);
  }
  const wide = [["all", "Everything"], ...hello.sources.map((source) => [source, source])];
  const groups = Object.entries(hello.groups).map(([group, members]) => [group, `${words(group)} (${members.length})`, members]);
  const shown = [...wide, ...groups].map(([what, name, members]) => {
    const place = $("mutes").querySelector(`[data-what="${CSS.escape(what)}"]`) ?? el("div", { "data-what": what }, el("span"), el("span"));
    place.firstChild.textContent = name;
    place.title = members ? members.map(words).join(", ") : "";
    refill(place.lastChild, what);
    return place;
  });
  if (shown.length !== $("mutes").children.length || shown.some((place, at) => place !== $("mutes").children[at])) $("mutes").replaceChildren(...shown);
}

/** The control for one thing that can be muted, made again only where its state has changed: it may have the focus. */
function refill(place, what) {
  const muted = what in state.snoozed, until = state.snoozed[what], key = muted ? `until ${until}` : "reported";
  if (place.dataset.key === key) return;
  const hadFocus = place.contains(document.activeElement);
  place.dataset.key = key;
  place.replaceChildren(muted ? waker(what, until) : muter(what));
  if (hadFocus) place.querySelector("button, select").focus();
}

function waker(what, until) {
  const button = el("button", { type: "button", "aria-label": `Report ${words(what)} again` }, "Wake");
  button.addEventListener("click", () => tell({ command: "wake", what }));
  const moment = until && new Date(until);
  const when = moment ? `until ${isToday(moment) ? "" : `${moment.toLocaleDateString()} `}${clock(moment).slice(0, 5)}` : "until woken";
  return el("span", { class: "mute" }, el("span", { class: "muted" }, `muted ${when}`), button);
}

function muter(what) {
  const choice = el("select", { "aria-label": `Mute ${words(what)}` }, el("option", { value: "" }, "Mute …"), ...SPELLS.map(([name], at) => el("option", { value: at }, name)));
  choice.addEventListener("change", () => {
    const spell = SPELLS[choice.value];
    choice.value = ""; // what it came to is shown in its place; where it was refused, nothing is
    if (spell) tell({ command: "snooze", what, for_s: spell[1] });
  });
  return el("span", { class: "mute" }, choice);
}

/** The best score just now of each label, over all microphones that say one. */
export function hear(level) {
  tops.set(level.source, level.top);
  if ($("labels").hidden) return;
  const best = (label) => Math.max(...[...tops.values()].map((top) => top[label] ?? 0));
  for (const [label, { now }] of rows) now.style.transform = `scaleX(${best(label)})`;
}

/** A microphone that does not listen says no score any more. */
export function check(status) {
  for (const [name, source] of Object.entries(status.sources)) if (source.state !== "listening") tops.delete(name);
}

async function tell(what) {
  try {
    change(await command(what));
  } catch (err) {
    change(state);
    refuse(err.message);
  }
}
