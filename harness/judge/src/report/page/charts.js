"use strict";
// Draws the charts from the data in the page; all of them share one window of time and one cursor.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const s = data.series, step = s.step_ms, count = s.stretches, HEIGHT = 130, LEFT = 52, RIGHT = 8, TOP = 14, BOTTOM = 18;
  const whole = [0, count * step];
  const state = { from: whole[0], to: whole[1], cursor: null, drag: null };
  const perSecond = column => column.map(value => value * 1000 / step);
  const line = (name, mark, values) => ({ name, mark, values });
  const charts = [
    { title: "Requests, ms from the intended start", log: true, lines: [line("p50", "first", s.request_ms.p50),
      line("p99", "second", s.request_ms.p99), line("max", "third", s.request_ms.max)] },
    { title: "Propagation, ms to sight on a node", log: true, lines: [line("p50", "first", s.propagation_ms.p50),
      line("p99", "second", s.propagation_ms.p99), line("max", "third", s.propagation_ms.max)] },
    { title: "Operations per second", stacked: true, lines: [line("served", "good", perSecond(s.served)),
      line("failed", "bad", perSecond(s.failed)), line("indeterminate", "open", perSecond(s.indeterminate))] },
    { title: "Outbox, orders waiting", lines: [line("depth", "first", s.outbox_depth)] },
    { title: "Outbox, age of the oldest in ms", lines: [line("age", "second", s.outbox_age_ms)] },
    { title: "Share served, by node", strips: true, lines: s.nodes.map(node => line(node.name, "good", node.served)) },
  ];
  const root = document.getElementById("charts"), readout = document.getElementById("readout");
  const el = (name, attributes, parent) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (parent) parent.append(made);
    return made;
  };
  const figure = value => value === null || value === undefined ? "-"
    : value >= 100 ? Math.round(value).toLocaleString("en") : value >= 10 ? value.toFixed(1) : String(+value.toFixed(2));
  const clock = ms => ms >= 120000 ? Math.floor(ms / 60000) + ":" + String(Math.floor(ms / 1000) % 60).padStart(2, "0") : +(ms / 1000).toFixed(2) + " s";
  const shown = () => [Math.max(0, Math.floor(state.from / step)), Math.min(count, Math.ceil(state.to / step))];

  for (const chart of charts) {
    const frame = document.createElement("figure"), caption = document.createElement("figcaption");
    caption.innerHTML = "<b></b>";
    caption.firstChild.textContent = chart.title;
    chart.labels = chart.lines.map(each => {
      const label = document.createElement("span");
      label.style.setProperty("--mark", `var(--${each.mark})`);
      caption.append(label);
      return label;
    });
    chart.svg = el("svg", { role: "img" });
    frame.append(caption, chart.svg);
    root.append(frame);
    chart.svg.setAttribute("aria-label", chart.title + ": " + chart.lines.map(each => {
      let at = -1;
      const worse = chart.strips ? (a, b) => a < b : (a, b) => a > b;
      each.values.forEach((value, index) => { if (value !== null && (at < 0 || worse(value, each.values[at]))) at = index; });
      return at < 0 ? `${each.name} not measured` : `${each.name} ${chart.strips ? "lowest" : "highest"} ${figure(each.values[at])} at ${clock(at * step)}`;
    }).join("; "));
    watch(chart);
  }

  function watch(chart) {
    const time = event => {
      const box = chart.svg.getBoundingClientRect(), share = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
      return Math.min(whole[1], Math.max(0, state.from + share * (state.to - state.from)));
    };
    chart.svg.addEventListener("pointerdown", event => { if (event.button === 0 && event.pointerType === "mouse") state.drag = [time(event), time(event)]; });
    chart.svg.addEventListener("pointermove", event => {
      state.cursor = Math.min(count - 1, Math.floor(time(event) / step));
      if (state.drag) state.drag[1] = time(event);
      later();
    });
    chart.svg.addEventListener("pointerleave", () => { if (!state.drag) { state.cursor = null; later(); } });
    chart.svg.addEventListener("dblclick", reset);
  }
  window.addEventListener("pointerup", () => {
    if (!state.drag) return;
    const [a, b] = state.drag.sort((x, y) => x - y);
    state.drag = null;
    if (b - a >= 4 * step) [state.from, state.to] = [a, b];
    later();
  });
  root.addEventListener("keydown", event => {
    const middle = state.cursor === null ? (state.from + state.to) / 2 : state.cursor * step, width = state.to - state.from;
    const zoom = by => { const w = Math.min(whole[1], Math.max(8 * step, width * by)), a = Math.max(0, Math.min(whole[1] - w, middle - w / 2)); [state.from, state.to] = [a, a + w]; };
    const move = by => { const [a, b] = shown(); state.cursor = Math.min(b - 1, Math.max(a, (state.cursor === null ? a : state.cursor) + by)); };
    const keys = { ArrowLeft: () => move(-1), ArrowRight: () => move(1), "+": () => zoom(0.5), "-": () => zoom(2), Escape: reset };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
    later();
  });
  document.getElementById("reset").addEventListener("click", reset);
  function reset() { [state.from, state.to] = whole; later(); }

  let due = false;
  function later() { if (!due) { due = true; requestAnimationFrame(() => { due = false; draw(); }); } }
  window.addEventListener("resize", later);

  function ticks(from, to, wanted) {
    const raw = (to - from) / wanted, base = 10 ** Math.floor(Math.log10(raw)), size = [1, 2, 5, 10].find(m => m * base >= raw) * base, found = [];
    for (let at = Math.ceil(from / size) * size; at <= to + size / 1e6; at += size) found.push(at);
    return found;
  }

  function draw() {
    const [a, b] = shown();
    for (const chart of charts) {
      const width = chart.svg.clientWidth || 800, height = chart.strips ? TOP + BOTTOM + 20 * chart.lines.length : HEIGHT;
      chart.svg.replaceChildren();
      chart.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      chart.svg.style.height = height + "px";
      const x = ms => LEFT + (ms - state.from) / (state.to - state.from) * (width - LEFT - RIGHT);
      const inside = ms => Math.min(width - RIGHT, Math.max(LEFT, x(ms)));
      bands(chart, inside, height);
      for (const at of ticks(state.from, state.to, width / 110)) {
        el("text", { x: x(at), y: height - 4, "text-anchor": "middle" }, chart.svg).textContent = clock(at);
      }
      if (chart.strips) strips(chart, inside, a, b); else curves(chart, x, a, b, width, height);
      if (state.cursor !== null && state.cursor >= a && state.cursor < b) {
        const at = inside((state.cursor + 0.5) * step);
        el("line", { x1: at, x2: at, y1: TOP, y2: height - BOTTOM, class: "cursor" }, chart.svg);
      }
      if (state.drag) {
        const [from, to] = [...state.drag].sort((p, q) => p - q);
        el("rect", { x: inside(from), width: inside(to) - inside(from), y: TOP, height: height - TOP - BOTTOM, class: "chosen" }, chart.svg);
      }
      chart.lines.forEach((each, index) => {
        chart.labels[index].textContent = each.name + (state.cursor === null ? "" : " " + figure(each.values[state.cursor]));
      });
    }
    const at = state.cursor === null ? null : state.cursor * step;
    const over = at === null ? [] : data.faults.filter(fault => fault.from < at + step && fault.to >= at).map(fault => fault.name);
    readout.textContent = at === null ? `${clock(state.from)} to ${clock(state.to)}` : `${clock(at)}: ${over.join(", ") || "no fault"}`;
  }

  function bands(chart, inside, height) {
    for (const fault of data.faults) {
      const body = { y: TOP, height: height - TOP - BOTTOM };
      const [from, to, tail] = [inside(fault.from), inside(fault.to), inside(fault.tail)];
      el("rect", { ...body, x: from, width: Math.max(1, to - from), class: "band" }, chart.svg);
      const left = el("rect", { ...body, x: to, width: Math.max(0, tail - to), class: "tail" }, chart.svg);
      el("title", {}, left).textContent = fault.name + ": its backlog drains";
      // A name reaches to where the next fault begins; one without room is in the table, and under the pointer.
      const next = Math.min(chart.svg.clientWidth || 800, ...data.faults.map(each => inside(each.from)).filter(at => at > from));
      const room = fault.from < state.from || fault.from > state.to ? 0 : next - from - 9;
      if (chart === charts[0] && room > 30) el("text", { x: from + 3, y: TOP - 4 }, chart.svg).textContent = fault.name.slice(0, room / 6);
    }
    const end = data.load_end_ms;
    if (end > state.from && end < state.to) {
      el("line", { x1: inside(end), x2: inside(end), y1: TOP, y2: height - BOTTOM, class: "grid" }, chart.svg);
    }
  }

  function curves(chart, x, a, b, width, height) {
    const sums = chart.stacked ? chart.lines.map((_, n) => chart.lines[0].values.map((_, i) => chart.lines.slice(0, n + 1).reduce((sum, each) => sum + each.values[i], 0))) : null;
    const all = (sums ? sums.at(-1).slice(a, b) : chart.lines.flatMap(each => each.values.slice(a, b))).filter(value => value !== null && value > 0);
    const top = Math.max(chart.log ? 10 : 1, ...all) * (chart.log ? 1.3 : 1.08), low = chart.log ? Math.max(0.1, Math.min(1, ...all)) : 0;
    const scale = value => chart.log ? Math.log(Math.max(low, value) / low) / Math.log(top / low) : value / top;
    const y = value => height - BOTTOM - scale(value) * (height - TOP - BOTTOM);
    const marks = chart.log ? [0.1, 1, 10, 100, 1000, 10000, 100000].filter(mark => mark >= low && mark <= top) : ticks(0, top, 4);
    for (const mark of marks) {
      el("line", { x1: LEFT, x2: width - RIGHT, y1: y(mark), y2: y(mark), class: "grid" }, chart.svg);
      el("text", { x: LEFT - 6, y: y(mark) + 4, "text-anchor": "end" }, chart.svg).textContent = figure(mark);
    }
    chart.lines.map((each, n) => [each, n]).reverse().forEach(([each, n]) => {
      const values = sums ? sums[n] : each.values;
      let path = "", open = false;
      for (let i = a; i < b; i++) {
        if (values[i] === null) { open = false; continue; }
        path += (open ? "L" : "M") + x((i + 0.5) * step).toFixed(1) + " " + y(values[i]).toFixed(1);
        open = true;
      }
      if (!path) return;
      if (sums) path += `L${x((b - 0.5) * step).toFixed(1)} ${y(0)}L${x((a + 0.5) * step).toFixed(1)} ${y(0)}Z`;
      el("path", { d: path, class: sums ? "area" : "", style: sums ? `fill:var(--${each.mark})` : `stroke:var(--${each.mark})` }, chart.svg);
    });
  }

  function strips(chart, inside, a, b) {
    chart.lines.forEach((each, row) => {
      const y = TOP + row * 20;
      el("text", { x: LEFT - 6, y: y + 13, "text-anchor": "end" }, chart.svg).textContent = each.name.replace(/^cluster-/, "");
      for (let i = a; i < b; i++) {
        const value = each.values[i];
        if (value === null) continue;
        const from = inside(i * step);
        const mark = el("rect", { x: from, width: Math.max(0.5, inside((i + 1) * step) - from + 0.3), y, height: 16 }, chart.svg);
        mark.setAttribute("style", value >= 0.9995 ? "fill:var(--good)" : `fill:var(--bad);opacity:${(1 - 0.8 * value).toFixed(2)}`);
      }
    });
  }

  function bars(id, title, values) {
    const place = document.getElementById(id), svg = el("svg", { role: "img" }), width = 420, height = 150, most = Math.max(1, ...values.map(bar => bar[1]));
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const total = values.reduce((sum, bar) => sum + bar[1], 0), mode = values.find(bar => bar[1] === most);
    svg.setAttribute("aria-label", mode ? `${title}: ${total} values, most of them from ${figure(mode[0])} ms on` : `${title}: none`);
    const wide = (width - 8) / Math.max(1, values.length);
    values.forEach(([from, n], i) => {
      // By the root, so that the rare and slow ones are seen, too.
      const tall = n === 0 ? 0 : Math.max(1.5, Math.sqrt(n / most) * (height - 26));
      const bar = el("rect", { x: 4 + i * wide, width: Math.max(0.5, wide - 1), y: height - 18 - tall, height: tall, style: "fill:var(--first)" }, svg);
      el("title", {}, bar).textContent = `from ${figure(from)} ms: ${n}`;
      if (i % Math.ceil(values.length / 7) === 0) el("text", { x: 4 + i * wide, y: height - 4 }, svg).textContent = figure(from);
    });
    place.append(svg);
  }
  bars("request-bars", "Requests", s.request_bars);
  bars("propagation-bars", "Propagation", s.propagation_bars);
  draw();
  document.documentElement.dataset.drawn = charts.length;
})();
