// The live view: a pane for each microphone, and events as they happen.

import { assign, coloured } from "./colours.js";
import { $, clock, decibels, duration, el, isToday, score, words } from "./dom.js";
import { Graph } from "./graph.js";

const LOWEST_DBFS = -90;
const TOP = 5;
const ROWS = 100; // in the list of events
const SPEAK_MS = 3000; // between two announcements of a screen reader

export const panes = new Map(); // source -> { root, graph, … }
const rows = new Map(); // id of an event -> its row, the oldest first
let spokenAt = 0;
let pid = null; // of the daemon; null while it is not connected
let snoozing = () => ""; // what snoozes a label or source, in words

/** Make a pane for each source of the daemon, and remove the others. */
export function onHello(hello) {
  assign(hello.labels ?? []);
  for (const [source, pane] of panes) {
    if (!hello.sources.includes(source)) { pane.graph.close(); pane.root.remove(); panes.delete(source); }
    else if (hello.pid === pid) pane.graph.clear(); // it went on while the page was hidden
    else pane.graph.restart();
  }
  pid = hello.pid;
  for (const source of hello.sources) if (!panes.has(source)) panes.set(source, made(source));
}

/** Drop what was drawn in the colours of the other theme. */
export function recolour() {
  for (const { graph } of panes.values()) graph.clear();
}

function made(source) {
  const root = $("pane").content.cloneNode(true).firstElementChild;
  const find = (what) => root.querySelector(what);
  find("h2").textContent = source;
  find(".graph").setAttribute("aria-label", `Spectrogram of ${source}, last twelve seconds`);
  find(".meter").setAttribute("aria-label", `Level of ${source}`);
  const tops = Array.from({ length: TOP }, () => {
    const parts = { name: el("span", { class: "name" }), tag: el("span", { class: "tag", hidden: true }, "snoozed"), fill: el("i"), tick: el("b"), score: el("span", { class: "number" }) };
    parts.row = el("li", {}, el("span", {}, parts.name, parts.tag), el("span", { class: "bar" }, parts.fill, parts.tick), parts.score);
    return parts;
  });
  find(".top").append(...tops.map(({ row }) => row));
  $("panes").append(root);
  const parts = { condition: find(".condition"), snoozed: find(".snoozed"), meter: find(".meter"), fill: find(".fill"), floor: find(".floor"), figures: find(".figures") };
  return { root, tops, ...parts, graph: new Graph(find(".graph")) };
}

export function onSpectrum(spectrum) {
  panes.get(spectrum.source)?.graph.push(spectrum);
}

/** Show the condition of the microphones. */
export function onStatus(status) {
  for (const [source, { condition }] of panes) {
    const { state, detail, trouble } = status.sources[source] ?? { state: "", detail: "" };
    condition.textContent = trouble || (state === "listening" ? detail : `${state}${detail ? `: ${detail}` : ""}`);
    condition.classList.toggle("ill", state !== "listening" || !!trouble);
    condition.title = condition.textContent;
  }
}

/** Show on each pane and label what is snoozed; `by` returns what snoozes a label or source, in words. */
export function onState(by) {
  snoozing = by;
  for (const [source, { snoozed }] of panes) {
    snoozed.textContent = snoozing(source);
    snoozed.hidden = !snoozed.textContent;
  }
}

export function onLevel(level, thresholds) {
  const pane = panes.get(level.source);
  if (!pane) return;
  const place = (dbfs) => Math.min(Math.max(1 - dbfs / LOWEST_DBFS, 0), 1);
  pane.fill.style.transform = `scaleX(${place(level.level_dbfs)})`;
  pane.meter.classList.toggle("open", level.open);
  pane.floor.hidden = level.floor_dbfs === null;
  pane.floor.style.left = `${100 * place(level.floor_dbfs ?? LOWEST_DBFS)}%`;
  const floor = level.floor_dbfs === null ? "" : `, floor ${decibels(level.floor_dbfs)}`;
  pane.figures.textContent = `${decibels(level.level_dbfs)} dBFS${floor}, gate ${level.open ? "open" : "closed"}`;
  pane.meter.setAttribute("aria-valuenow", Math.round(level.level_dbfs));
  pane.meter.setAttribute("aria-valuetext", pane.figures.textContent);
  showScores(pane.tops, level.top, thresholds);
}

function showScores(tops, scores, thresholds) {
  const highest = Object.entries(scores).sort((a, b) => b[1] - a[1]);
  tops.forEach(({ row, name, tag, fill, tick, score: number }, at) => {
    const [label, value] = highest[at] ?? ["", 0], on = thresholds[label];
    row.style.visibility = label ? "" : "hidden";
    name.textContent = words(label);
    tag.title = label && snoozing(label);
    tag.hidden = !tag.title;
    number.textContent = score(value);
    fill.style.transform = `scaleX(${value})`;
    tick.hidden = on === undefined;
    tick.style.left = `${100 * (on ?? 0)}%`;
    row.classList.toggle("over", value >= on);
  });
}

/** Show a line of an event: a new row when it starts, the same row afterwards. */
export function onEvent(event) {
  panes.get(event.source)?.graph.mark(event);
  let row = rows.get(event.id);
  if (!row) {
    row = el("li");
    rows.set(event.id, row);
    row.dataset.start = event.start ?? String(event.start_s).padStart(12, "0");
    $("feed").insertBefore(row, [...$("feed").children].find((other) => other.dataset.start <= row.dataset.start) ?? null);
    $("feed-empty").hidden = true;
    while (rows.size > ROWS) forget(rows.keys().next().value);
    if (event.phase !== "end") speak(event); // the first line may be an update, if the label was snoozed at the start
  }
  show(row, event);
}

function forget(id) {
  rows.get(id).remove();
  rows.delete(id);
}

function show(row, event) {
  const begun = event.start && new Date(event.start), over = event.phase === "end";
  const length = !over ? "now" : begun && !event.end ? "end unknown" : duration(event.end_s - event.start_s); // without an end it was cut off
  const when = begun ? `${isToday(begun) ? "" : `${begun.toLocaleDateString()} `}${clock(begun)}` : `${event.start_s.toFixed(1)} s`;
  row.classList.toggle("now", !over);
  row.dataset.id = event.id;
  const name = coloured(el("span", { class: "name label" }, words(event.label)), event.label);
  row.replaceChildren(
    name,
    el("span", { class: "score" }, score(event.peak)),
    el("span", { class: "more" }, `${event.source}, ${length}`),
    el("time", begun ? { class: "when", datetime: event.start } : { class: "when" }, when),
  );
}

/** End the events under way: the daemon that would have ended them is gone. */
export function onDisconnected() {
  pid = null;
  for (const row of rows.values()) {
    if (row.classList.contains("now")) row.querySelector(".more").textContent += ", end unknown";
    row.classList.remove("now");
  }
}

function speak(event) {
  if (performance.now() - spokenAt < SPEAK_MS && spokenAt) return;
  spokenAt = performance.now();
  $("spoken").textContent = `${words(event.label)}, ${event.source}`;
}
