// Past events: counted, drawn and listed.

import * as charts from "./charts.js";
import { play } from "./recording.js";
import { $, brief, clock, day, duration, el, formatted, request, score, words } from "./dom.js";

const filters = $("filters");
let end = midnight(new Date(), 1); // of the period shown
let cursors = [""]; // where each page up to the one shown begins
let turn = 0; // an answer to an earlier question is dropped

/** Offer the labels and microphones of the daemon as filters. */
export function onHello(hello) {
  choices(filters.label, hello.labels);
  choices(filters.source, hello.sources);
}

function choices(select, names) {
  const chosen = select.value;
  select.replaceChildren(select.options[0], ...names.map((name) => el("option", { value: name }, words(name))));
  select.value = names.includes(chosen) ? chosen : "";
}

/** Load everything. */
export function show() {
  cursors = [""];
  const begin = start(), last = midnight(end, -1), length = +filters.period.value;
  $("span").textContent = length === 1 ? begin.toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "long" }) : `${brief(begin)} to ${brief(last)}`;
  $("later").disabled = end > new Date();
  const now = ++turn;
  attempt(now, async () => {
    const [counts, found, marks] = await Promise.all([ask("counts"), ask("history"), length === 1 ? ask("marks") : null]);
    if (now !== turn) return;
    const dates = Array.from({ length }, (_, at) => day(midnight(begin, at)));
    if (marks) charts.timeline($("days"), begin, end, marks.marks, marks.all);
    else charts.days($("days"), dates, counts.days, openDay);
    charts.hours($("hours"), counts.hours);
    list(found);
  });
}

function start() {
  return midnight(end, -filters.period.value);
}

function midnight(date, days) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days);
}

async function ask(what, before = "") {
  const query = new URLSearchParams({ since: start() / 1000, until: end / 1000, min_score: filters.min_score.value || 0 });
  if (what === "counts") query.set("zone", Intl.DateTimeFormat().resolvedOptions().timeZone); // days by the browser's clock
  for (const name of ["label", "source"]) if (filters[name].value) query.set(name, filters[name].value);
  if (before) query.set("before", before);
  return (await request(`api/${what}?${query}`)).json();
}

/** Show an error in place of the result. */
async function attempt(now, act) {
  let wrong = "";
  try {
    await act();
  } catch (err) {
    wrong = err.message;
  }
  if (now !== turn) return;
  $("history-note").replaceChildren(...formatted(wrong));
  $("history-note").hidden = !wrong;
  $("history-found").hidden = !!wrong;
}

function list({ events, next }) {
  $("rows").replaceChildren(...(events.length ? events.map(row) : [el("tr", {}, el("td", { colspan: 6, class: "quiet" }, "No matching events."))]));
  $("newer").disabled = cursors.length < 2;
  $("older").disabled = !next;
  $("older").value = next ?? "";
}

function row(event) {
  const begun = new Date(event.at * 1000);
  const note = event.recording_note ?? event.note ?? "";
  const button = event.has_recording && el("button", { type: "button", "aria-label": `Play ${words(event.label)}, ${clock(begun)}`, click: () => play(event) }, "Play");
  return el(
    "tr", {},
    el("td", {}, el("time", { datetime: begun.toISOString() }, `${brief(begun)}, ${clock(begun)}`)), el("td", {}, words(event.label)), el("td", { class: "wide" }, event.source),
    el("td", { class: "number" }, event.under_way ? "now" : event.lasted_s === null ? "" : duration(event.lasted_s)),
    el("td", { class: "number wide" }, score(event.peak)),
    button ? el("td", {}, button) : el("td", { class: "quiet note" }, note),
  );
}

function turnTo(page) {
  cursors = page;
  const now = ++turn;
  attempt(now, async () => {
    const found = await ask("history", cursors.at(-1));
    if (now === turn) list(found);
  });
}

function openDay(date) {
  const [year, month, number] = date.split("-").map(Number);
  end = new Date(year, month - 1, number + 1);
  filters.period.value = "1";
  show();
}

filters.addEventListener("change", show);
filters.addEventListener("submit", (event) => event.preventDefault());
$("earlier").addEventListener("click", () => { end = midnight(end, -filters.period.value); show(); });
$("later").addEventListener("click", () => { end = midnight(end, +filters.period.value); show(); });
$("older").addEventListener("click", () => turnTo([...cursors, $("older").value]));
$("newer").addEventListener("click", () => turnTo(cursors.slice(0, -1)));
