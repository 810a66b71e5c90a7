// What users may change while the daemon runs: thresholds and snoozes.

import { coloured } from "./colours.js";
import { $, clock, command, el, formatted, isToday, request, score, threshold, words } from "./dom.js";

const SPELLS = [["15 minutes", 900], ["1 hour", 3600], ["8 hours", 28800], ["until woken", null]];

let hello = null, state = { snoozed: {}, thresholds: {}, listening_for: {} };
let onRefused = () => {};
const rows = new Map(); // label -> its parts
const tops = new Map(); // microphone -> the highest scores that it reported last

/** Set what is called with the reason when the daemon refuses a command. */
export function whenRefused(callback) {
  onRefused = callback;
}

export function onHello(message) {
  hello = message;
  rows.clear();
  tops.clear();
  $("thresholds").replaceChildren(...hello.labels.map(made));
  onState(state);
}

function made(label) {
  const slider = el("input", { type: "range", min: "0.01", max: "0.99", step: "0.01", "aria-label": `Threshold of ${words(label)}` });
  const number = el("output"), reset = el("button", { type: "button" }, "Reset"), now = el("i");
  slider.addEventListener("input", () => { number.textContent = score(+slider.value); });
  slider.addEventListener("change", () => send({ command: "threshold", what: label, on: +slider.value }));
  reset.setAttribute("aria-label", `Reset the threshold of ${words(label)}`);
  reset.addEventListener("click", () => { slider.focus(); send({ command: "threshold", what: label }); });
  const snooze = el("span", { class: "last" }), tunable = label in hello.thresholds;
  rows.set(label, { slider, number, reset, now, snooze });
  const tuner = tunable ? el("span", { class: "tuner" }, slider, number, reset) : el("span", { class: "tuner quiet" }, "by its level");
  const name = coloured(el("span", { class: "name label" }, words(label)), label);
  return el("li", {}, name, el("span", { class: "bar" }, now), tuner, snooze);
}

/** Show what is in force. */
export function onState(message) {
  state = message;
  if (!hello) return;
  $("unsaved").hidden = !Object.keys(state.thresholds).length;
  for (const [label, { slider, number, reset, snooze }] of rows) {
    const on = state.thresholds[label] ?? hello.thresholds[label];
    if (on !== undefined && !slider.matches(":active")) { // a slider that is being dragged stays where it is
      slider.value = on;
      number.textContent = threshold(on);
    }
    reset.hidden = !(label in state.thresholds);
    refill(snooze, label);
  }
  const wide = [["all", "Everything"], ...hello.sources.map((source) => [source, source])];
  const groups = Object.entries(hello.groups).map(([group, members]) => [group, `${words(group)} (${members.length})`, members]);
  const shown = [...wide, ...groups].map(([what, name, members]) => {
    const place = $("snoozes").querySelector(`[data-what="${CSS.escape(what)}"]`) ?? el("div", { "data-what": what }, el("span"), el("span"));
    place.firstChild.textContent = name;
    place.title = members ? members.map(words).join(", ") : "";
    refill(place.lastChild, what);
    return place;
  });
  if (shown.length !== $("snoozes").children.length || shown.some((place, at) => place !== $("snoozes").children[at])) $("snoozes").replaceChildren(...shown);
}

/** Return what snoozes a label or microphone, in words: itself, a group of it, or everything; "" if nothing does. */
export function snoozedBy(what) {
  const wider = Object.entries(hello?.groups ?? {}).filter(([, members]) => members.includes(what)).map(([group]) => group);
  const by = [what, ...wider, "all"].find((each) => each in state.snoozed);
  if (by === undefined) return "";
  return `snoozed ${by === what ? "" : by === "all" ? "with everything " : `with ${words(by)} `}${until(state.snoozed[by])}`;
}

function until(time) {
  const moment = time && new Date(time);
  return moment ? `until ${isToday(moment) ? "" : `${moment.toLocaleDateString()} `}${clock(moment).slice(0, 5)}` : "until woken";
}

/** Make the control for one snooze again, only if its state has changed: it may have the focus. */
function refill(place, what) {
  const text = snoozedBy(what), key = text || "reported";
  if (place.dataset.key === key) return;
  const hadFocus = place.contains(document.activeElement);
  place.dataset.key = key;
  place.replaceChildren(what in state.snoozed ? wakeButton(what, text) : snoozeChoice(what, text));
  if (hadFocus) place.querySelector("button, select").focus();
}

function wakeButton(what, text) {
  const button = el("button", { type: "button", "aria-label": `Wake ${words(what)}` }, "Wake");
  button.addEventListener("click", () => send({ command: "wake", what }));
  return el("span", { class: "snooze" }, el("span", { class: "snoozed" }, text), button);
}

function snoozeChoice(what, text) {
  const choice = el("select", { "aria-label": `Snooze ${words(what)}` }, el("option", { value: "" }, "Snooze …"), ...SPELLS.map(([name], at) => el("option", { value: at }, name)));
  choice.addEventListener("change", () => {
    const spell = SPELLS[choice.value];
    choice.value = ""; // the answer of the daemon is shown in its place
    if (spell) send({ command: "snooze", what, for_s: spell[1] });
  });
  return el("span", { class: "snooze" }, el("span", { class: "snoozed" }, text), choice);
}

/** Show the highest current score of each label over all microphones. */
export function onLevel(level) {
  tops.set(level.source, level.top);
  if ($("labels").hidden) return;
  const best = (label) => Math.max(...[...tops.values()].map((top) => top[label] ?? 0));
  for (const [label, { now }] of rows) now.style.transform = `scaleX(${best(label)})`;
}

/** Drop the scores of microphones that do not listen any more. */
export function onStatus(status) {
  for (const [name, source] of Object.entries(status.sources)) if (source.state !== "listening") tops.delete(name);
}

async function send(what) {
  try {
    onState(await command(what));
  } catch (err) {
    onState(state);
    onRefused(err.message);
  }
}

$("save").addEventListener("click", async () => {
  $("save").disabled = true;
  try {
    const { path, why, lines } = await (await request("api/save", { method: "POST" })).json();
    const how = path ? [`Saved in ${path}.`] : [...formatted(`Not saved: ${why.replace(/[^.]$/, "$&.")} Write this into the configuration:`), el("pre", {}, lines.join("\n"))];
    $("saved").replaceChildren(...how);
  } catch (err) {
    $("saved").replaceChildren(...formatted(err.message));
  } finally {
    $("save").disabled = false;
  }
});
