// The live spectrogram of one microphone, which scrolls smoothly although its columns come ten at a time.
//
// Columns are kept in a ring buffer, one pixel each. The display lags behind by the length of one message, so that there
// is always a next column, and by the jitter of the messages.

import { colour, shades } from "./colours.js";
import { words } from "./dom.js";

const SPAN_S = 12; // from the left edge to the right
const MARGIN_S = 0.03;
const LANE = 20; // pixels below the spectrogram for the names of events
const CALM_MS = 1000; // between two pictures, if the user wants no motion
const SLOW_MS = 40; // a frame that took longer was late
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Graph {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.spans = new Map(); // id of an event -> { label, start_s, end_s }
    this.late = []; // delays of the latest messages against the stream, in s
    this.drawnAt = 0;
    this.closed = false;
    this.next();
  }

  /** Stop drawing. */
  close() {
    this.closed = true;
  }

  /** Draw every frame, or fewer on a slow machine, where messages would otherwise wait behind pictures. */
  next() {
    const asked = performance.now();
    requestAnimationFrame((now) => {
      if (this.closed) return;
      this.draw(now);
      if (performance.now() - asked < SLOW_MS) this.next();
      else setTimeout(() => this.next(), 2 * SLOW_MS);
    });
  }

  /** Add the columns of a message. */
  push(spectrum) {
    const cells = Uint8Array.from(atob(spectrum.columns), (character) => character.charCodeAt(0));
    const count = cells.length / spectrum.mels;
    let end = Math.round(spectrum.at_s / spectrum.column_s);
    if (this.ring && end < this.ring.end - count) this.restart();
    if (this.ring?.mels !== spectrum.mels) this.begin(spectrum);
    const gap = end - count - this.ring.end;
    if (Math.abs(gap) <= 2) end -= gap; // `at_s` is exact to the sample, columns are not
    if (gap > 2) this.blank(this.ring.end, end - count);
    this.write(cells, count, end);
    this.heardAt = performance.now();
    this.span_s = Math.max(count * spectrum.column_s, 0.98 * (this.span_s ?? 0));
    this.late.push(performance.now() / 1000 - spectrum.at_s);
    if (this.late.length > 60) this.late.shift();
  }

  /** Show an event for as long as it lasts. */
  mark(event) {
    this.spans.set(event.id, event);
    if (this.spans.size > 40) this.spans.delete(this.spans.keys().next().value);
  }

  /** Return the second of the stream that is at the right edge now. */
  shown_s(now = performance.now()) {
    const earliest = Math.min(...this.late);
    const jitter = Math.min(Math.max(...this.late.slice(-12)) - earliest, 0.1);
    return now / 1000 - earliest - this.span_s - MARGIN_S - jitter;
  }

  /** Drop all columns: the colours have changed, or some columns were missed. */
  clear() {
    this.ring = null;
    this.late = [];
  }

  /** Start over with another stream, without the events of the old one. */
  restart() {
    this.clear();
    this.spans.clear();
  }

  begin({ mels, column_s, at_s }) {
    const columns = Math.ceil((SPAN_S + 3) / column_s);
    const picture = new OffscreenCanvas(columns, mels);
    this.late = [];
    this.ring = { picture, paint: picture.getContext("2d"), columns, mels, column_s, end: Math.round(at_s / column_s) };
    this.ring.first = this.ring.end;
  }

  blank(from, to) {
    const { paint, columns, mels } = this.ring;
    for (let at = Math.max(from, to - columns); at < to; at++) paint.clearRect(at % columns, 0, 1, mels);
  }

  write(cells, count, end) {
    const { paint, columns, mels } = this.ring, colours = shades();
    for (let n = 0; n < count; n++) {
      const image = paint.createImageData(1, mels), pixels = new Uint32Array(image.data.buffer);
      for (let mel = 0; mel < mels; mel++) pixels[mels - 1 - mel] = colours[cells[n * mels + mel]];
      paint.putImageData(image, (((end - count + n) % columns) + columns) % columns, 0);
    }
    this.ring.first = Math.max(Math.min(this.ring.first, end - count), end - columns);
    this.ring.end = end;
  }

  draw(now) {
    if (!this.ring || now - this.heardAt > 1000 * (SPAN_S + 1) || !this.canvas.offsetParent) return; // nothing has changed
    if (calm.matches && now - this.drawnAt < CALM_MS) return;
    this.drawnAt = now;
    const { canvas, context } = this, scale = devicePixelRatio;
    const width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.clearRect(0, 0, width, height);
    const right_s = this.shown_s(now), pixels = width / SPAN_S;
    const x = (at_s) => width - (right_s - at_s) * pixels;
    this.drawColumns(x, height - LANE * scale);
    this.drawSpans(x, right_s, height, scale);
  }

  /** Draw the ring in at most two pieces, the oldest visible column first. */
  drawColumns(x, height) {
    const { picture, columns, mels, column_s, first, end } = this.ring;
    const left = Math.max(first, end - columns + 1);
    for (let at = left; at < end; ) {
      const place = at % columns, count = Math.min(end - at, columns - place);
      this.context.drawImage(picture, place, 0, count, mels, x(at * column_s), 0, count * column_s * (x(1) - x(0)), height);
      at += count;
    }
  }

  drawSpans(x, right_s, height, scale) {
    const { context } = this, top = height - (LANE - 5) * scale;
    context.font = `${11 * scale}px system-ui, sans-serif`;
    context.textBaseline = "top";
    let free = -Infinity;
    for (const { label, start_s, end_s } of [...this.spans.values()].sort((a, b) => a.start_s - b.start_s)) {
      const from = Math.max(x(start_s), 0), to = Math.min(x(end_s ?? right_s), context.canvas.width);
      if (to < 0 || from > context.canvas.width) continue;
      context.fillStyle = colour(label);
      context.fillRect(from, top - 4 * scale, Math.max(to - from, 3 * scale), 3 * scale);
      if (from < free) continue;
      context.fillText(words(label), from, top + 2 * scale);
      free = from + context.measureText(words(label)).width + 10 * scale;
    }
  }
}
