// What is heard now: a pane for each microphone, and the events as they happen.

import { hue } from "./colours.js";
import { $, clock, decibels, el, isToday, lasted, score, words } from "./dom.js";
import { Graph } from "./graph.js";

const LOWEST_DBFS = -90;
const TOP = 5;
const ROWS = 100; // the list does not grow for as long as the page is open
const SPEAK_MS = 3000; // a screen reader is not told more often

export const panes = new Map(); // source -> { root, graph, … }
const rows = new Map(); // id of an event -> its row, the oldest first
let spokenAt = 0;
let pid = null; // of the daemon; none while it is away

/** A pane for each source of the daemon, and none for others. */
export function greet(hello) {
  for (const [source, pane] of panes) {
    if (!hello.sources.includes(source)) { pane.graph.close(); pane.root.remove(); panes.delete(source); }
    else if (hello.pid === pid) pane.graph.clear(); // it went on while the page was not looked at
    else pane.graph.restart();
  }
  pid = hello.pid;
  for (const source of hello.sources) if (!panes.has(source)) panes.set(source, made(source));
}

/** The colours are others: what was drawn in the old ones goes. */
export function recolour() {
  for (const { graph } of panes.values()) graph.clear();
}

function made(source) {
  const root = $("pane").content.cloneNode(true).firstElementChild;
  const find = (what) => root.querySelector(what);
  find("h2").textContent = source;
  find(".graph").setAttribute("aria-label", `Spectrogram of ${source}, the last twelve seconds`);
  find(".meter").setAttribute("aria-label", `Level of ${source}`);
  const tops = Array.from({ length: TOP }, () => {
    const parts = { name: el("span", { class: "name" }), fill: el("i"), tick: el("b"), score: el("span", { class: "number" }) };
    parts.row = el("li", {}, parts.name, el("span", { class: "bar" }, parts.fill, parts.tick), parts.score);
    return parts;
  });
  find(".top").append(...tops.map(({ row }) => row));
  $("panes").append(root);
  const parts = { how: find(".how"), meter: find(".meter"), fill: find(".fill"), floor: find(".floor"), figures: find(".figures") };
  return { root, tops, ...parts, graph: new Graph(find(".graph")) };
}

export function picture(spectrum) {
  panes.get(spectrum.source)?.graph.push(spectrum);
}

/** How the microphones are doing. */
export function condition(status) {
  for (const [source, { how }] of panes) {
    const { state, detail, trouble } = status.sources[source] ?? { state: "", detail: "" };
    how.textContent = trouble || (state === "listening" ? detail : `${state}${detail ? `: ${detail}` : ""}`);
    how.classList.toggle("ill", state !== "listening" || !!trouble);
    how.title = how.textContent;
  }
}

export function meter(level, thresholds) {
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
  likeliest(pane.tops, level.top, thresholds);
}

function likeliest(tops, scores, thresholds) {
  const likely = Object.entries(scores).sort((a, b) => b[1] - a[1]);
  tops.forEach(({ row, name, fill, tick, score: number }, at) => {
    const [label, value] = likely[at] ?? ["", 0], on = thresholds[label];
    row.style.visibility = label ? "" : "hidden";
    name.textContent = words(label);
    number.textContent = score(value);
    fill.style.transform = `scaleX(${value})`;
    tick.hidden = on === undefined;
    tick.style.left = `${100 * (on ?? 0)}%`;
    row.classList.toggle("over", value >= on);
  });
}

/** An event's line: a row of its own when it begins, the same row afterwards. */
export function happen(event) {
  panes.get(event.source)?.graph.mark(event);
  let row = rows.get(event.id);
  if (!row) {
    row = el("li");
    rows.set(event.id, row);
    $("feed").prepend(row);
    $("feed-empty").hidden = true;
    while (rows.size > ROWS) forget(rows.keys().next().value);
    if (event.phase !== "end") speak(event); // an update is the first that is told of what was snoozed when it began
  }
  show(row, event);
}

function forget(id) {
  rows.get(id).remove();
  rows.delete(id);
}

function show(row, event) {
  const begun = event.start && new Date(event.start), over = event.phase === "end";
  const length = !over ? "under way" : begun && !event.end ? "end unknown" : lasted(event.end_s - event.start_s); // cut off, it says no end
  const when = begun ? `${isToday(begun) ? "" : `${begun.toLocaleDateString()} `}${clock(begun)}` : `${event.start_s.toFixed(1)} s`;
  row.classList.toggle("now", !over);
  row.dataset.id = event.id;
  const name = el("span", { class: "name" }, words(event.label));
  name.style.color = hue(event.label);
  row.replaceChildren(
    name,
    el("span", { class: "score" }, score(event.peak)),
    el("span", { class: "more" }, `${event.source}, ${length}`),
    el("time", begun ? { class: "when", datetime: event.start } : { class: "when" }, when),
  );
}

/** The daemon that would have said the ends of what was under way is gone. */
export function settle() {
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
