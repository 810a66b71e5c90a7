// Charts of the history, each with its numbers as a table.

import { coloured } from "./colours.js";
import { brief, clock, el, svg, words } from "./dom.js";

const ROW = 22;
const LEFT = 118; // room for the names of labels

/** Charts are drawn in the pixels that they get, so that their letters have the usual size. */
const room = (figure) => Math.max(figure.clientWidth - 42, 260);

/** Draw a bar for each day; `open` is called with the day that is clicked. */
export function days(figure, dates, perLabel, open) {
  const width = room(figure);
  const totals = dates.map((date) => Object.values(perLabel).reduce((sum, label) => sum + (label[date] ?? 0), 0));
  const most = Math.max(...totals, 1), height = 130, step = width / dates.length;
  const bars = dates.map((date, at) => {
    const tall = (totals[at] / most) * height, said = `${date}: ${totals[at]} events`;
    const bar = svg("rect", { class: "tint", x: at * step + step * 0.12, y: height - tall, width: step * 0.76, height: tall, rx: 2 });
    const reach = svg("rect", { x: at * step, y: 0, width: step, height, fill: "transparent" });
    const link = svg("a", { href: "#history", "aria-label": said, click: (event) => { event.preventDefault(); open(date); } }, svg("title", {}, said), reach, bar);
    return totals[at] ? link : svg("g");
  });
  const every = Math.ceil((dates.length * 52) / width);
  const names = dates.map((date, at) => (at % every ? "" : svg("text", { x: at * step + step / 2, y: height + 18, "text-anchor": "middle" }, brief(new Date(`${date}T00:00`)))));
  const rule = svg("line", { class: "rule", x1: 0, x2: width, y1: height + 0.5, y2: height + 0.5 });
  const drawing = svg("svg", { viewBox: `0 -14 ${width} ${height + 38}`, role: "group", "aria-label": "Events per day" }, rule, ...bars, ...names, svg("text", { x: 0, y: -4 }, totals.some(Boolean) ? `maximum ${most}` : "no events"));
  figure.replaceChildren(el("figcaption", {}, "Events per day"), drawing, table(["day", "events"], dates.map((date, at) => [date, totals[at]])));
}

/** Draw a row for each label and a cell for each hour of the day; stronger colours mean more events. */
export function hours(figure, perLabel) {
  const width = room(figure);
  const labels = ranked(perLabel, (counts) => counts.reduce((a, b) => a + b, 0));
  const cell = (width - LEFT) / 24;
  const rows = labels.map(([label, counts], row) => {
    const most = Math.max(...counts);
    const cells = counts.map((count, hour) => {
      const box = svg("rect", { class: "label", x: LEFT + hour * cell + 1, y: row * ROW + 2, width: cell - 2, height: ROW - 4, rx: 3 }, svg("title", {}, `${words(label)}, ${hour}:00 to ${hour + 1}:00: ${count}`));
      coloured(box, label).style.opacity = count ? 0.15 + (0.85 * count) / most : 0.05;
      return box;
    });
    return svg("g", {}, svg("text", { x: LEFT - 10, y: row * ROW + 15, "text-anchor": "end" }, words(label)), ...cells);
  });
  const bottom = labels.length * ROW;
  const axis = [0, 6, 12, 18].map((hour) => svg("text", { x: LEFT + hour * cell + 1, y: bottom + 14 }, `${hour}:00`));
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${bottom + 20}`, role: "img", "aria-label": "Events by label and hour of the day" }, ...rows, ...axis);
  const listed = labels.map(([label, counts]) => [words(label), ...counts]);
  figure.replaceChildren(el("figcaption", {}, "Hours of the day"), labels.length ? drawing : el("p", { class: "quiet" }, "no events"), table(["label", ...Array(24).keys()], listed));
}

/** Draw a day of 23 to 25 hours: a row for each label, a mark for each event. */
export function timeline(figure, begin, end, marks, all = true) {
  const width = room(figure);
  const perLabel = {};
  for (const mark of marks) (perLabel[mark[2]] ??= []).push(mark);
  const labels = ranked(perLabel, (list) => list.length), scale = (width - LEFT) / (end - begin), x = (moment) => LEFT + (moment - begin) * scale;
  const rows = labels.map(([label, list], row) => {
    const line = svg("line", { class: "rule", x1: LEFT, x2: width, y1: row * ROW + ROW / 2, y2: row * ROW + ROW / 2 });
    const boxes = list.map(([at, seconds, , peak]) => {
      const box = svg("rect", { x: x(at * 1000), y: row * ROW + 4, width: Math.max(seconds * 1000 * scale, 1.6), height: ROW - 8, rx: 0.8, class: "label" }, svg("title", {}, `${clock(new Date(at * 1000))} ${words(label)}, peak ${peak.toFixed(2)}`));
      coloured(box, label).style.opacity = 0.35 + 0.65 * peak;
      return box;
    });
    return svg("g", {}, line, svg("text", { x: LEFT - 10, y: row * ROW + 15, "text-anchor": "end" }, words(label)), ...boxes);
  });
  const bottom = labels.length * ROW;
  const axis = [0, 6, 12, 18].map((hour) => svg("text", { x: x(new Date(begin.getFullYear(), begin.getMonth(), begin.getDate(), hour)), y: bottom + 14 }, `${hour}:00`));
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${bottom + 20}`, role: "img", "aria-label": "Events of the day by label; they are listed in the table below" }, ...rows, ...axis);
  figure.replaceChildren(el("figcaption", {}, all ? "Day" : `Day, only its latest ${marks.length} events`), labels.length ? drawing : el("p", { class: "quiet" }, "no events"));
}

/** Sort labels by size, largest first. The rarest are kept: they may be alarms. */
function ranked(perLabel, size) {
  return Object.entries(perLabel).sort((a, b) => size(b[1]) - size(a[1]));
}

function table(head, rows) {
  const body = rows.map((row) => el("tr", {}, ...row.map((cell, at) => (at ? el("td", {}, cell) : el("th", { scope: "row" }, cell)))));
  return el("details", {}, el("summary", {}, "Table"), el("table", {}, el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...body)));
}
