// The recording of an event: waveform, spectrogram and player.

import { isDark, shades } from "./colours.js";
import { $, clock, request, words } from "./dom.js";

const SIZE = 512; // samples per spectrum
const RATE = 16000;
const RANGE_DB = 70; // below the loudest cell

let turn = 0; // a recording that arrives after another was opened is not shown

/** Open the recording of an event. */
export async function play(event) {
  const now = ++turn;
  const url = `api/recordings/${encodeURIComponent(event.id)}`;
  $("recording-title").textContent = `${words(event.label)}, ${event.source}, ${clock(new Date(event.at * 1000))}`;
  $("recording-note").textContent = "";
  for (const canvas of [$("wave"), $("sound")]) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  $("player").src = url;
  $("recording").showModal();
  try {
    const bytes = await (await request(url)).arrayBuffer();
    const audio = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes);
    if (now !== turn) return;
    const samples = audio.getChannelData(0);
    drawWave($("wave"), samples);
    drawSpectrogram($("sound"), samples);
    $("recording-note").textContent = `${audio.duration.toFixed(1)} s, 0 to ${RATE / 2000} kHz`;
  } catch (err) {
    if (now === turn) $("recording-note").textContent = `Cannot be shown: ${err.message}`;
  }
}

$("recording").addEventListener("close", () => { $("player").pause(); $("player").removeAttribute("src"); });

function drawWave(canvas, samples) {
  const paint = canvas.getContext("2d"), { width, height } = canvas, middle = height / 2;
  let most = 0.01;
  for (const sample of samples) most = Math.max(most, Math.abs(sample));
  paint.fillStyle = isDark() ? "#63c7bf" : "#0b6b66";
  for (let x = 0; x < width; x++) {
    let low = 0, high = 0;
    for (let at = Math.floor((x / width) * samples.length); at < ((x + 1) / width) * samples.length; at++) {
      low = Math.min(low, samples[at] ?? 0);
      high = Math.max(high, samples[at] ?? 0);
    }
    paint.fillRect(x, middle - (high / most) * middle * 0.92, 1, Math.max(((high - low) / most) * middle * 0.92, 1));
  }
}

function drawSpectrogram(canvas, samples) {
  const columns = Math.min(600, Math.floor((samples.length - SIZE) / 64)), bins = SIZE / 2;
  if (columns < 1) return;
  const cells = new Float32Array(columns * bins), step = (samples.length - SIZE) / columns;
  for (let column = 0; column < columns; column++) cells.set(spectrum(samples, Math.floor(column * step)), column * bins);
  const most = cells.reduce((a, b) => Math.max(a, b)), colours = shades();
  const image = new ImageData(columns, bins), pixels = new Uint32Array(image.data.buffer);
  for (let column = 0; column < columns; column++)
    for (let bin = 0; bin < bins; bin++) {
      const shade = 255 * (1 + (cells[column * bins + bin] - most) / RANGE_DB);
      pixels[(bins - 1 - bin) * columns + column] = colours[Math.max(0, Math.min(255, Math.round(shade)))];
    }
  const small = new OffscreenCanvas(columns, bins);
  small.getContext("2d").putImageData(image, 0, 0);
  canvas.getContext("2d").drawImage(small, 0, 0, canvas.width, canvas.height);
}

const hann = Float32Array.from({ length: SIZE }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / SIZE));

/** The power of SIZE samples in dB, by a radix-2 Fourier transform (Cooley and Tukey, 1965). */
function spectrum(samples, start) {
  const re = new Float32Array(SIZE), im = new Float32Array(SIZE);
  for (let n = 0, to = 0; n < SIZE; n++) {
    re[to] = samples[start + n] * hann[n];
    let bit = SIZE >> 1; // bit-reversed counting
    while (to & bit) { to ^= bit; bit >>= 1; }
    to |= bit;
  }
  for (let size = 2; size <= SIZE; size *= 2)
    for (let k = 0; k < size / 2; k++) {
      const cos = Math.cos((-2 * Math.PI * k) / size), sin = Math.sin((-2 * Math.PI * k) / size);
      for (let at = k; at < SIZE; at += size) {
        const other = at + size / 2, r = re[other] * cos - im[other] * sin, i = re[other] * sin + im[other] * cos;
        re[other] = re[at] - r; im[other] = im[at] - i;
        re[at] += r; im[at] += i;
      }
    }
  return Float32Array.from({ length: SIZE / 2 }, (_, bin) => 10 * Math.log10(re[bin] ** 2 + im[bin] ** 2 + 1e-10));
}
