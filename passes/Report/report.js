"use strict";
const plan = JSON.parse(document.getElementById("data").textContent);
const streamNames = ["compute", "gather", "reduce", "copy"];
const streamColors = ["compute", "gathered", "reduced", "scratch"];
// What is shown as one, from the bottom of the stack.
const groups = [
  {name: "parameters (shards)", color: "shard", kinds: ["shard"]},
  {name: "optimizer, sums of microbatches", color: "optimizer", kinds: ["optimizer", "accumulator"]},
  {name: "inputs, scalars, constants", color: "io", kinds: ["input", "scalar", "constant"]},
  {name: "reduced", color: "reduced", kinds: ["reduced"]},
  {name: "activations", color: "activation", kinds: ["activation"]},
  {name: "gathered", color: "gathered", kinds: ["gathered"]},
  {name: "gradients", color: "gradient", kinds: ["gradient"]},
  {name: "scratch", color: "scratch", kinds: ["scratch"]},
];
const kindIndex = new Map(plan.kinds.map((kind, i) => [kind, i]));
for (const group of groups) group.indices = group.kinds.map(kind => kindIndex.get(kind));

// The phase that is shown: the first that runs each step.
let phase = plan.phases.find(p => p.runs === "microbatch") || plan.phases[0];
let measured = null;

const byId = id => document.getElementById(id);
const color = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const sum = values => values.reduce((a, b) => a + b, 0);
const escape = text => String(text).replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);
const count = n => n.toLocaleString("en");
// 100 % is all of it, 0 % nothing.
function percent(x) {
  if (x > 0.995 && x < 1) return Math.min(99.9, 100 * x).toFixed(1) + " %";
  return (100 * x).toFixed(x > 0 && x < 0.0995 ? 1 : 0) + " %";
}
const fullName = d => d.unit ? d.unit + " " + d.name : d.name;

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < 4) { n /= 1024; ++unit; }
  return (unit ? n.toFixed(n < 10 ? 2 : n < 100 ? 1 : 0) : n) + " " + units[unit];
}

function time(s) {
  if (s === 0) return "0 s";
  const [value, unit] = s >= 1 ? [s, "s"] : s >= 1e-3 ? [s * 1e3, "ms"] : [s * 1e6, "µs"];
  return (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)) + " " + unit;
}

/** Round numbers that divide [from, top] into about `parts`. */
function ticks(top, parts, base = 10, from = 0) {
  const length = top - from;
  let step = 1;
  if (base === 2) {
    step = 2 ** Math.floor(Math.log2(length / parts));
    while (length / step > parts * 1.5) step *= 2;
  } else {
    const raw = length / parts, power = 10 ** Math.floor(Math.log10(raw));
    step = [1, 2, 5, 10].map(f => f * power).find(s => s >= raw);
  }
  const all = [];
  for (let i = Math.ceil(from / step - 1e-6); i * step <= top + length * 1e-6; ++i) all.push(i * step);
  return all;
}

const groupBytes = live => groups.map(group => sum(group.indices.map(i => live[i])));

//===--- Head -------------------------------------------------------------===//

function showHead() {
  const model = plan.model || "program";
  document.title = "Plan of " + model;
  byId("title").textContent = "Plan of " + model;
  const mesh = plan.mesh.map(a => `${a.axis}=${a.size}`).join(", ");
  const options = plan.phases.map((p, i) =>
    `<option value="${i}"${p === phase ? " selected" : ""}>${escape(p.name)} (runs: ${escape(p.runs)})</option>`);
  byId("subtitle").innerHTML = `mesh ${escape(mesh || "none")}, ${plan.world} rank${plan.world > 1 ? "s" : ""} · ` +
    `<label>phase <select id="phase">${options.join("")}</select></label>`;
  byId("phase").onchange = event => { phase = plan.phases[event.target.value]; show(); };
}

function showFigures() {
  const cards = [["peak per rank", bytes(plan.peak_bytes), count(plan.peak_bytes) + " bytes"]];
  for (const arena of plan.arenas) cards.push([`arena ${arena.name}`, bytes(arena.bytes), percent(arena.bytes / plan.peak_bytes) + " of the peak"]);
  cards.push(["alive at the peak of " + phase.name, bytes(phase.peak.bytes), percent(phase.peak.bytes / plan.peak_bytes) + " of the arenas"]);
  const p = plan.parameters;
  cards.push(["trainable elements", count(p.trainable_elements), `${count(p.trainable)} parameters` + (p.frozen ? `, ${count(p.frozen)} frozen (${count(p.frozen_elements)})` : "")]);
  cards.push(["gathered in " + phase.name, bytes(phase.gathered_bytes), "payload, without padding"]);
  cards.push(["reduced in " + phase.name, bytes(phase.reduced_bytes), "payload, without padding"]);
  cards.push(["predicted length", time(phase.seconds), `compute ${time(phase.compute_seconds)}`]);
  cards.push(["predicted exposed", time(phase.exposed_seconds), hiddenText(phase.exposed_seconds, phase.comm_seconds)]);
  if (measured) {
    cards.push(["measured length", time(measured.seconds), `rank 0, step ${measured.step}, median of ${measured.steps}`]);
    cards.push(["measured exposed", time(measured.blocked), percent(measured.blocked / measured.seconds) + " of the step: compute blocked"]);
  }
  byId("figures").innerHTML = cards.map(([what, value, more]) =>
    `<div class="card"><span>${escape(what)}</span><b>${escape(value)}</b><span>${escape(more)}</span></div>`).join("");
}

function hiddenText(exposed, all) {
  if (all <= 0) return "no communication";
  return percent(Math.max(0, 1 - exposed / all)) + ` of ${time(all)} communication hidden`;
}

//===--- Memory -----------------------------------------------------------===//

function showSplit() {
  const at = phase.peak.at, parts = groupBytes(phase.live[at]);
  byId("memory-note").textContent = `Bytes alive at each dispatch of ${phase.name}, in issue order. The peak is dispatch ${at}, ` +
    `${fullName(phase.dispatches[at])}: ${bytes(phase.peak.bytes)} alive. The arenas are ${bytes(plan.peak_bytes - phase.peak.bytes)} larger ` +
    `(gaps, padding, and what other phases need).`;
  byId("split").innerHTML = groups.map((g, i) =>
    `<div style="flex:${parts[i]} 0 0;background:var(--${g.color})" title="${g.name}: ${bytes(parts[i])}"${parts[i] ? "" : " hidden"}></div>`).join("");
  byId("legend").innerHTML = groups.map((g, i) =>
    `<span><i style="background:var(--${g.color})"></i>${g.name}<em>${bytes(parts[i])}</em></span>`).join("");
}

const memoryBox = {left: 74, right: 12, top: 40, bottom: 26, height: 354};

function showMemory() {
  const svg = byId("memory"), width = svg.parentNode.clientWidth, box = memoryBox;
  const stacks = phase.live.map(groupBytes), number = stacks.length;
  const top = Math.max(plan.peak_bytes, phase.peak.bytes);
  const x = i => box.left + (width - box.left - box.right) * i / number;
  const y = b => box.height - box.bottom - (box.height - box.top - box.bottom) * b / top;
  const parts = [];
  for (const at of ticks(top, 5, 2))
    parts.push(`<line class="grid" x1="${box.left}" x2="${width - box.right}" y1="${y(at)}" y2="${y(at)}"/>` +
      `<text x="${box.left - 8}" y="${y(at) + 4}" text-anchor="end">${bytes(at)}</text>`);
  for (const at of ticks(number, width < 600 ? 4 : 10))
    parts.push(`<text x="${x(at)}" y="${box.height - 8}" text-anchor="middle">${at}</text>`);
  const below = new Array(number).fill(0);
  groups.forEach((group, g) => {
    let upper = "", lower = "";
    for (let i = 0; i < number; ++i) {
      const low = y(below[i]), high = y(below[i] += stacks[i][g]);
      upper += `L${x(i).toFixed(1)} ${high.toFixed(1)}H${x(i + 1).toFixed(1)}`;
      lower = `L${x(i + 1).toFixed(1)} ${low.toFixed(1)}H${x(i).toFixed(1)}` + lower;
    }
    if (number) parts.push(`<path fill="var(--${group.color})" d="M${upper.slice(1)}${lower}Z"/>`);
  });
  parts.push(arenaMark(x, y, width), peakMark(x, y, width), `<line class="cursor" id="cursor" y1="${box.top}" y2="${box.height - box.bottom}" visibility="hidden"/>`);
  svg.setAttribute("viewBox", `0 0 ${width} ${box.height}`);
  svg.setAttribute("height", box.height);
  svg.innerHTML = parts.join("");
  svg.onpointermove = event => {
    const left = event.clientX - svg.getBoundingClientRect().left;
    const i = Math.floor((left - box.left) / (width - box.left - box.right) * number);
    if (i < 0 || i >= number) return hideTip();
    const cursor = byId("cursor");
    cursor.setAttribute("visibility", "visible");
    cursor.setAttribute("x1", x(i + 0.5));
    cursor.setAttribute("x2", x(i + 0.5));
    showTip(event, memoryTip(i, stacks[i]));
  };
  svg.onpointerleave = () => { byId("cursor").setAttribute("visibility", "hidden"); hideTip(); };
}

function arenaMark(x, y, width) {
  const at = y(plan.peak_bytes);
  return `<line class="peak" x1="${memoryBox.left}" x2="${width - memoryBox.right}" y1="${at}" y2="${at}"/>` +
    `<text x="${width - memoryBox.right}" y="${at - 5}" text-anchor="end">planned peak ${bytes(plan.peak_bytes)}</text>`;
}

function peakMark(x, y, width) {
  const at = x(phase.peak.at + 0.5), high = y(phase.peak.bytes), right = at > width * 0.6;
  const nearArenas = high - y(plan.peak_bytes) < 18; // where their label is
  return `<line class="peak" x1="${at}" x2="${at}" y1="${high}" y2="${memoryBox.height - memoryBox.bottom}"/>` +
    `<circle cx="${at}" cy="${high}" r="4" fill="var(--text)"/>` +
    `<text class="peak-text" x="${at + (right ? -8 : 8)}" y="${high - 6 - (nearArenas ? 16 : 0)}" text-anchor="${right ? "end" : "start"}">alive ${bytes(phase.peak.bytes)}</text>`;
}

const numberOf = name => plan.phases.findIndex(p => p.name === name);
// A buffer with an "until" lives into that later phase, through those between.
const isAlive = (b, i) => {
  const here = numberOf(phase.name), from = numberOf(b.phase), to = numberOf(b.until || b.phase);
  return b.phase === "" || (from <= here && here <= to && (here > from || b.first <= i) && (here < to || i <= b.last));
};
const aliveAt = i => plan.buffers.filter(b => isAlive(b, i));
const largestAt = (i, n) => aliveAt(i).sort((a, b) => b.bytes - a.bytes).slice(0, n);

function memoryTip(i, stack) {
  const kinds = groups.map((g, k) => stack[k] ? `<tr><td>${g.name}</td><td>${bytes(stack[k])}</td></tr>` : "");
  const rows = largestAt(i, 6).map(b => `<tr><td>${escape(b.name)} <em>${b.kind}</em></td><td>${bytes(b.bytes)}</td></tr>`);
  return `<b>${i}: ${escape(fullName(phase.dispatches[i]))}</b>${bytes(sum(stack))} alive<table>${kinds.join("")}</table>` +
    `<hr>largest buffers<table>${rows.join("")}</table>`;
}

function showLargest() {
  const rows = largestAt(phase.peak.at, 16).map(b =>
    `<tr><td>${escape(b.name)}</td><td class="left">${escape(b.unit)}</td><td class="left">${b.kind}</td><td>${bytes(b.bytes)}</td>` +
    `<td>${b.phase ? b.first + " – " + (b.until ? b.until + " " : "") + b.last : "all phases"}</td></tr>`);
  byId("largest").innerHTML = `<tr><th>buffer</th><th class="left">unit</th><th class="left">kind</th><th>bytes</th><th>dispatches</th></tr>` + rows.join("");
}

//===--- Streams ----------------------------------------------------------===//

/** A block of the chart: unit bands and one row a stream. */
function makeBlock(title, times, waits) {
  const rows = streamNames.map(() => []), bands = [];
  phase.dispatches.forEach((d, i) => {
    const [begin, end] = times[i];
    if (d.op !== "join") rows[d.stream].push({begin, end, i});
    if (d.stream !== 0 || d.op === "join") return;
    const last = bands[bands.length - 1];
    if (last && last.unit === d.unit) last.end = end;
    else bands.push({begin, end, unit: d.unit});
  });
  return {title, rows, bands, waits, length: Math.max(...times.map(t => t[1]), 0)};
}

const plannedWaits = () => phase.dispatches.flatMap((d, i) => {
  const begin = d.issued, end = d.op === "join" ? d.end : d.start;
  return d.stream === 0 && end > begin ? [{begin, end, name: blocker(i), i}] : [];
});

/** What compute waits for in front of dispatch i: the event that came last. */
function blocker(i) {
  const d = phase.dispatches[i];
  if (d.op === "join") return "wait for all streams";
  const last = d.waits.reduce((a, b) => a < 0 || phase.dispatches[b].end > phase.dispatches[a].end ? b : a, -1);
  return "wait for " + (last < 0 ? "its turn" : fullName(phase.dispatches[last]));
}

let blocks = [], view = [0, 1], whole = 1, drag = null;

function makeBlocks() {
  const stretch = measured && byId("stretch").checked ? measured.seconds / phase.seconds : 1;
  const planned = phase.dispatches.map(d => [d.start * stretch, d.end * stretch]);
  const waits = plannedWaits().map(w => ({...w, begin: w.begin * stretch, end: w.end * stretch}));
  blocks = [makeBlock("planned", planned, waits)];
  blocks[0].factor = stretch;
  if (measured) {
    blocks.push(makeBlock("measured", measured.dispatches, measured.waits.map(([begin, end, name, i]) => ({begin, end, name, i}))));
    blocks[1].factor = 1;
  }
  whole = Math.max(...blocks.map(b => b.length)) || 1;
  view = [0, whole];
}

const rowHeight = 24, bandHeight = 18, titleHeight = 22, axisHeight = 24, labelWidth = 64;
const blockHeight = titleHeight + bandHeight + streamNames.length * rowHeight + 10;

function drawStreams() {
  const canvas = byId("streams"), width = canvas.parentNode.clientWidth, ratio = window.devicePixelRatio || 1;
  const height = blocks.length * blockHeight + axisHeight;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.height = height + "px";
  const c = canvas.getContext("2d");
  c.scale(ratio, ratio);
  c.font = "12px system-ui, sans-serif";
  const x = t => labelWidth + (width - labelWidth - 8) * (t - view[0]) / (view[1] - view[0]);
  const span = view[1] - view[0];
  c.fillStyle = color("muted");
  c.strokeStyle = color("line");
  for (const tick of ticks(view[1], width < 600 ? 4 : 9, 10, view[0])) {
    const at = Math.round(x(tick)) + 0.5;
    c.beginPath(); c.moveTo(at, 0); c.lineTo(at, height - axisHeight); c.stroke();
    c.textAlign = tick === 0 ? "left" : "center";
    if (at < width - 20) c.fillText(time(tick), at, height - 7);
  }
  blocks.forEach((block, i) => drawBlock(c, block, i * blockHeight, x, width));
  if (drag && drag.to !== undefined) {
    c.globalAlpha = 0.2; c.fillStyle = color("text");
    c.fillRect(Math.min(drag.from, drag.to), 0, Math.abs(drag.to - drag.from), height - axisHeight);
    c.globalAlpha = 1;
  }
  byId("reset").hidden = span >= whole * 0.999;
}

function drawBlock(c, block, top, x, width) {
  c.fillStyle = color("text"); c.textAlign = "left";
  c.font = "600 12px system-ui, sans-serif";
  c.fillText(block.title + ", " + time(block.length / block.factor), 0, top + 15);
  c.font = "12px system-ui, sans-serif";
  c.save();
  c.beginPath(); c.rect(labelWidth, top + titleHeight, width - labelWidth - 8, blockHeight); c.clip();
  block.bands.forEach((band, i) => drawBand(c, band, i, top + titleHeight, x));
  block.rows.forEach((row, s) => {
    c.fillStyle = color(streamColors[s]);
    const y = top + titleHeight + bandHeight + s * rowHeight;
    for (const bar of row) fillBar(c, bar, y + 3, rowHeight - 6, x);
  });
  c.fillStyle = color("wait");
  for (const wait of block.waits) fillBar(c, wait, top + titleHeight + bandHeight + 8, rowHeight - 16, x);
  c.restore();
  c.fillStyle = color("muted");
  streamNames.forEach((name, s) => c.fillText(name, 0, top + titleHeight + bandHeight + s * rowHeight + 16));
}

function fillBar(c, bar, y, height, x) {
  const left = x(bar.begin), right = x(bar.end);
  // A hair between neighbours, where there is room for it.
  c.fillRect(left, y, Math.max(right - left - (right - left > 3 ? 0.75 : 0), 0.5), height);
}

function drawBand(c, band, number, top, x) {
  const left = x(band.begin), width = x(band.end) - left;
  c.globalAlpha = number % 2 ? 0.1 : 0.2;
  c.fillStyle = color("text");
  c.fillRect(left, top + 2, width, bandHeight - 4);
  c.globalAlpha = 1;
  const label = shortUnit(band.unit), from = Math.max(left, labelWidth) + 4;
  if (label && c.measureText(label).width < left + width - from - 2) {
    c.fillStyle = color("muted");
    c.fillText(label, from, top + 13);
  }
}

/** "transformer.h.3" needs no more than "h.3" in a row of its like. */
const shortUnit = unit => unit.split(".").slice(-2).join(".");

function streamsAt(event) {
  const canvas = byId("streams"), rect = canvas.getBoundingClientRect();
  const px = event.clientX - rect.left, py = event.clientY - rect.top;
  const t = view[0] + (px - labelWidth) / (rect.width - labelWidth - 8) * (view[1] - view[0]);
  const block = blocks[Math.floor(py / blockHeight)];
  const row = Math.floor((py % blockHeight - titleHeight - bandHeight) / rowHeight);
  const near = (view[1] - view[0]) / rect.width;
  const hit = bars => bars && bars.find(b => b.begin - near <= t && t <= b.end + near);
  return {px, t, block, bar: block && px >= labelWidth && row >= 0 && (hit(block.rows[row]) || (row === 0 && hit(block.waits)))};
}

function streamTip(bar, factor) {
  if (bar.name) return `<b>${escape(bar.name)}</b>compute is blocked for ${time((bar.end - bar.begin) / factor)}`;
  const d = phase.dispatches[bar.i];
  const rows = [["scope", escape(d.scope)], ["bytes", bytes(d.bytes)], ["planned", `${time(d.start)} + ${time(d.end - d.start)}`]];
  if (measured) {
    const [begin, end] = measured.dispatches[bar.i];
    rows.push(["measured", `${time(begin)} + ${time(end - begin)}`]);
  }
  if (d.waits.length) rows.push(["waits for", d.waits.map(w => escape(fullName(phase.dispatches[w]))).join(", ")]);
  return `<b>${bar.i}: ${escape(fullName(d))}</b>${streamNames[d.stream]} stream<table>` +
    rows.map(([k, v]) => `<tr><td class="left">${k}</td><td class="left">${v}</td></tr>`).join("") + "</table>";
}

function listenToStreams() {
  const canvas = byId("streams");
  canvas.onpointerdown = event => { const at = streamsAt(event); drag = {from: at.px, t: at.t}; canvas.setPointerCapture(event.pointerId); };
  canvas.onpointermove = event => {
    const at = streamsAt(event);
    if (drag) { drag.to = at.px; hideTip(); return drawStreams(); }
    at.bar ? showTip(event, streamTip(at.bar, at.block.factor)) : hideTip();
  };
  canvas.onpointerup = event => {
    const at = streamsAt(event), from = drag;
    drag = null;
    if (from && Math.abs(at.px - from.from) > 5)
      view = [Math.max(0, Math.min(from.t, at.t)), Math.min(whole, Math.max(from.t, at.t))];
    drawStreams();
  };
  canvas.onpointerleave = hideTip;
  canvas.ondblclick = byId("reset").onclick = () => { view = [0, whole]; drawStreams(); };
  byId("stretch").onchange = () => { makeBlocks(); drawStreams(); };
}

function showStreamText() {
  byId("streams-note").textContent = "When each dispatch runs; above the streams, the unit that computes. Drag to zoom, double-click for all." +
    (measured ? ` Measured: rank 0, step ${measured.step}, the median of ${measured.steps}.` : "");
  byId("stretch-label").hidden = !measured;
  byId("stream-legend").innerHTML = streamNames.map((name, i) => `<span><i style="background:var(--${streamColors[i]})"></i>${name}</span>`).join("") +
    `<span><i style="background:var(--wait)"></i>compute is blocked</span>`;
  byId("ranks").innerHTML = !measured ? "" : `<div class="scroll"><table><tr><th>measured, mean</th><th>length</th><th>blocked</th></tr>` +
    measured.ranks.map(r => `<tr><td>rank ${r.rank}</td><td>${time(r.seconds)}</td><td>${time(r.blocked)}</td></tr>`).join("") + "</table></div>";
}

//===--- Tables -----------------------------------------------------------===//

/** Sums of a unit over the phase that is shown. */
function unitSums(name) {
  const sums = {gathered: 0, reduced: 0, compute: 0, comm: 0, waiting: 0, measuredCompute: 0, measuredComm: 0, measuredWaiting: 0};
  phase.dispatches.forEach((d, i) => {
    if (d.unit !== name) return;
    if (d.op === "all_gather") sums.gathered += d.payload;
    if (d.op === "reduce_scatter") sums.reduced += d.payload;
    if (d.op === "join") return;
    const what = d.stream === 0 ? "compute" : "comm";
    sums[what] += d.end - d.start;
    if (d.stream === 0) sums.waiting += d.start - d.issued;
    if (measured) sums[d.stream === 0 ? "measuredCompute" : "measuredComm"] += measured.dispatches[i][1] - measured.dispatches[i][0];
  });
  if (measured)
    for (const [begin, end, , i] of measured.waits)
      if (phase.dispatches[i].unit === name) sums.measuredWaiting += end - begin;
  sums.peak = sum(aliveAt(phase.peak.at).filter(b => b.unit === name).map(b => b.bytes));
  return sums;
}

function showUnits() {
  const heads = ["unit", "parameters", "elements", "gathered / " + phase.name, "reduced / " + phase.name, "shard", "optimizer", "alive at the peak", "", "compute", "other streams", "waiting"];
  if (measured) heads.push("measured compute", "other streams", "waiting");
  const known = new Set(plan.units.map(u => u.name));
  const others = [...new Set(phase.dispatches.map(d => d.unit))].filter(u => !known.has(u));
  const rows = [...plan.units, ...others.map(name => ({name, parameters: 0, elements: 0, shard_bytes: 0, optimizer_bytes: 0}))].map(u => {
    const s = unitSums(u.name);
    const cells = [escape(u.name || "(no unit)"), count(u.parameters), count(u.elements), bytes(s.gathered), bytes(s.reduced), bytes(u.shard_bytes),
      bytes(u.optimizer_bytes), bytes(s.peak), percent(s.peak / phase.peak.bytes), time(s.compute), time(s.comm), time(s.waiting)];
    if (measured) cells.push(time(s.measuredCompute), time(s.measuredComm), time(s.measuredWaiting));
    return "<tr>" + cells.map(c => `<td>${c}</td>`).join("") + "</tr>";
  });
  byId("units").innerHTML = "<tr>" + heads.map(h => `<th>${h}</th>`).join("") + "</tr>" + rows.join("");
}

function showCost() {
  const meaning = {gemm: "operations/s of f32 matrix products", "gemm-bf16": "the same in bf16", memory: "bytes/s read or written by kernels",
    network: "bytes/s sent by a rank", latency: "s of a collective", launch: "s of any dispatch"};
  byId("cost").innerHTML = Object.entries(plan.cost).map(([name, value]) =>
    `<tr><td>${name}</td><td>${value.toExponential()}</td><td class="left">${meaning[name] || ""}</td></tr>`).join("");
}

//===--- The tip, and all of it -------------------------------------------===//

function showTip(event, html) {
  const tip = byId("tip");
  tip.innerHTML = html;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(6, Math.min(event.clientX + 14, innerWidth - box.width - 6)) + "px";
  tip.style.top = Math.max(6, Math.min(event.clientY + 14, innerHeight - box.height - 6)) + "px";
}
function hideTip() { byId("tip").hidden = true; }

function show() {
  measured = plan.measured && plan.measured[phase.name] || null;
  showFigures();
  showSplit();
  showMemory();
  showLargest();
  showStreamText();
  makeBlocks();
  drawStreams();
  showUnits();
  showCost();
}

showHead();
listenToStreams();
show();
addEventListener("resize", () => { showMemory(); drawStreams(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawStreams);
