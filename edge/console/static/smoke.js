// A smoke chart, as SmokePing made them known: the median in the colour of the loss, the bands of the quantiles as smoke.
// Behind it the line's state, below it a strip of losses, across it what happened.

/* global uPlot */

import { clock, day, percent, plainMs, stateWord } from "./format.js";
import { t } from "./i18n.js";

const QUANTILES = ["rtt_p95_ms", "rtt_p75_ms", "rtt_p50_ms", "rtt_p25_ms", "rtt_p5_ms"];
export const LOSSES = [0.01, 0.05, 0.15, 0.5]; // upper bounds of the colours but the last
const STRIP = 5; // pixels
const HOLD = 12; // seconds for which a round trip still counts where nobody asked again

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const lossLevel = (loss) => LOSSES.filter((bound) => loss > bound).length + (loss > 0 ? 0 : 0);

/** Columns on an even grid, what is missing as null. `columns`: as the API told them. */
export function onGrid(columns, begins, ends, step) {
  const at = [];
  for (let time = begins; time < ends; time += step) at.push(time);
  const index = new Map(columns.at.map((time, place) => [time, place]));
  const grid = { at };
  for (const name of [...QUANTILES, "loss", "state"]) grid[name] = at.map((time) => columns[name]?.[index.get(time)] ?? null);
  for (const name of QUANTILES) hold(grid[name], grid.loss, Math.max(1, Math.round(HOLD / step)));
  return grid;
}

function hold(values, losses, most) {
  let last = null, age = 0;
  for (let place = 0; place < values.length; place++) {
    if (values[place] !== null) [last, age] = [values[place], 0];
    else if (last !== null && ++age <= most && losses[place] !== 1) values[place] = last;
  }
}

/** `read(text)` gets what is under the pointer, or "" . Returns {update(grid, marks), destroy()}. */
export function smoke(parent, name, read, sync) {
  let grid = { at: [] }, marks = [];
  const height = 132;
  const data = () => [grid.at, ...QUANTILES.map((each) => grid[each])];
  const colours = () => [0, 1, 2, 3, 4].map((level) => css(`--loss-${level}`));
  const series = [{}, ...QUANTILES.map(() => ({ stroke: "transparent", width: 0, points: { show: false } }))];
  const axis = { stroke: css("--quiet"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: `11px ${css("--font")}` };
  const chart = new uPlot({
    width: parent.clientWidth || 600, height, legend: { show: false }, padding: [6, 16, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, ...(sync ? { sync: { key: sync } } : {}) },
    scales: { x: { time: true }, y: { range: () => range(grid) } },
    series,
    bands: [{ series: [1, 5], fill: css("--smoke-outer") }, { series: [2, 4], fill: css("--smoke-inner") }],
    axes: [
      { ...axis, size: 26, values: (_, ticks) => ticks.map((tick) => label(tick, grid)) },
      { ...axis, size: 52, values: (_, ticks) => ticks.map((tick) => `${tick} ms`), space: 30 },
    ],
    hooks: {
      drawClear: [(made) => states(made, grid)],
      draw: [(made) => { medians(made, grid, colours()); strip(made, grid, colours()); lines(made, marks); }],
      setCursor: [(made) => read(made.cursor.idx === null || made.cursor.idx === undefined ? "" : spoken(grid, made.cursor.idx, marks))],
    },
  }, data(), parent);
  chart.root.setAttribute("role", "img");
  const resize = new ResizeObserver(() => chart.setSize({ width: parent.clientWidth, height }));
  resize.observe(parent);
  return {
    update(next, happened) {
      grid = next;
      marks = happened;
      chart.root.setAttribute("aria-label", `${name}: ${summary(grid)}`);
      chart.setData(data());
    },
    destroy() {
      resize.disconnect();
      chart.destroy();
    },
  };
}

/** From a little below the lowest to a little above the usual highest: one spike doesn't flatten the rest. */
function range(grid) {
  const known = (name) => (grid[name] ?? []).filter((value) => value !== null).sort((one, two) => one - two);
  const high = known("rtt_p95_ms"), low = known("rtt_p5_ms");
  if (!high.length) return [0, 100];
  const top = Math.min(high.at(-1), 1.3 * high[Math.floor(high.length * 0.98)], 4 * high[Math.floor(high.length / 2)]);
  const bottom = low[0];
  const room = Math.max(top - bottom, top * 0.2) * 0.12;
  return [Math.max(0, bottom - room), top + room];
}

function label(tick, grid) {
  const long = grid.at.length && grid.at.at(-1) - grid.at[0] > 2 * 86400;
  return long ? day(tick) : clock(tick, tick % 60 !== 0);
}

const STATES = { ejected: "--state-ejected", suspected: "--state-suspected", probation: "--state-probation", draining: "--state-draining", off: "--state-off" };

function states(chart, grid) {
  const { ctx, bbox } = chart;
  runs(grid, (place) => grid.state[place], (state, from, to) => {
    if (!STATES[state]) return;
    ctx.fillStyle = css(STATES[state]);
    ctx.fillRect(x(chart, grid, from), bbox.top, Math.max(1, x(chart, grid, to) - x(chart, grid, from)), bbox.height);
  });
}

const x = (chart, grid, place) => chart.valToPos(grid.at[Math.min(place, grid.at.length - 1)], "x", true);

function runs(grid, value, draw) {
  let from = 0;
  for (let place = 1; place <= grid.at.length; place++) {
    if (place === grid.at.length || value(place) !== value(from)) {
      draw(value(from), from, place);
      from = place;
    }
  }
}

function medians(chart, grid, colours) {
  const { ctx } = chart;
  const median = grid.rtt_p50_ms ?? [];
  ctx.save();
  ctx.beginPath();
  ctx.rect(chart.bbox.left, chart.bbox.top, chart.bbox.width, chart.bbox.height);
  ctx.clip();
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.lineCap = "round";
  for (let place = 1; place < median.length; place++) {
    if (median[place] === null || median[place - 1] === null) continue;
    ctx.strokeStyle = colours[lossLevel(grid.loss[place] ?? 0)];
    ctx.beginPath();
    ctx.moveTo(x(chart, grid, place - 1), chart.valToPos(median[place - 1], "y", true));
    ctx.lineTo(x(chart, grid, place), chart.valToPos(median[place], "y", true));
    ctx.stroke();
  }
  ctx.restore();
}

function strip(chart, grid, colours) {
  const { ctx, bbox } = chart;
  const tall = STRIP * devicePixelRatio;
  runs(grid, (place) => (grid.loss[place] ? lossLevel(grid.loss[place]) : -1), (level, from, to) => {
    if (level < 0) return;
    ctx.fillStyle = colours[Math.max(1, level)];
    ctx.fillRect(x(chart, grid, from), bbox.top + bbox.height - tall, Math.max(2, x(chart, grid, to) - x(chart, grid, from)), tall);
  });
}

function lines(chart, marks) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const mark of marks) {
    const at = chart.valToPos(mark.at, "x", true);
    if (at < bbox.left || at > bbox.left + bbox.width) continue;
    ctx.strokeStyle = css(mark.bad ? "--bad" : "--quiet");
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

function spoken(grid, place, marks) {
  const value = (name) => grid[name]?.[place];
  const step = grid.at.length > 1 ? grid.at[1] - grid.at[0] : 1;
  const parts = [clock(grid.at[place])];
  if (value("rtt_p50_ms") !== null) {
    parts.push(t("chart.median", { ms: plainMs(value("rtt_p50_ms")) }),
      t("chart.band", { low: plainMs(value("rtt_p5_ms")), high: plainMs(value("rtt_p95_ms")) }));
  }
  if (value("loss") !== null) parts.push(t("chart.loss", { loss: percent(value("loss")) }));
  if (value("state") && value("state") !== "admitted") parts.push(stateWord(value("state")));
  const near = marks.find((mark) => Math.abs(mark.at - grid.at[place]) <= step * 2);
  if (near) parts.push(near.text);
  return parts.join(" · ");
}

function summary(grid) {
  const known = grid.rtt_p50_ms.filter((value) => value !== null).sort((one, two) => one - two);
  if (!known.length) return t("chart.nothing");
  const losses = grid.loss.filter((value) => value !== null);
  const loss = losses.reduce((sum, value) => sum + value, 0) / (losses.length || 1);
  return `${t("chart.median", { ms: plainMs(known[Math.floor(known.length / 2)]) })}, ${t("chart.loss", { loss: percent(loss) })}`;
}
