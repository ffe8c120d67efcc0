'use strict';
// Draws the trace that stands in #data. Only what is in sight is in the document,
// so that thousands of calls are as quick as ten.

const data = JSON.parse(document.getElementById('data').textContent);
const byId = (id) => document.getElementById(id);
const ROW = 24, TIME = 64, SLOT = 8, TEXT_MIN = 96;
const view = byId('view'), paper = byId('paper'), ink = byId('ink'), list = byId('calls');

const state = {lanes: new Set(), kind: 'all', find: '', zoom: 0, current: -1};
data.lanes.forEach((lane, i) => { if (lane.column >= 0) state.lanes.add(i); });

const arriving = data.events.map(() => []), leaving = data.events.map(() => []);
data.arrows.forEach((arrow, i) => {
  arriving[arrow.to].push(i);
  leaving[arrow.from].push(i);
});
const origin = data.events.length ? data.events[0].t : 0;
const ms = (ns) => (ns / 1e6).toFixed(2);

// What stands where ------------------------------------------------------------

let rows = [];        // Those shown: {event, begins, ends, y}.
let place = [];       // By event: {top, bottom} in pixels; undefined if not shown.
let rowY = [];        // By row of the whole trace: its y, shown or not.
let laneX = [], laneWidth = 0, height = 0, width = 0;

function isShown(index) {
  const event = data.events[index];
  if (!state.lanes.has(event.l)) return false;
  if (event.k === 'start' || event.k === 'exit') return true;
  switch (state.kind) {
    case 'socket': return event.f !== 'other';
    case 'arrow': return arriving[index].length + leaving[index].length > 0;
    case 'bad': return !!event.e || event.k === 'signal' || !!event.open;
  }
  return true;
}

function layOut() {
  const shownLanes = [...state.lanes].sort((a, b) => data.lanes[a].column - data.lanes[b].column);
  const slots = shownLanes.reduce((sum, lane) => sum + Math.min(data.lanes[lane].slots, 12), 0);
  // Between the lanes is room for the arrows, as far as there is any.
  const gap = view.clientWidth < 700 ? 30 : shownLanes.length < 3 ? 110 : 70;
  const room = view.clientWidth - TIME - slots * SLOT - shownLanes.length * gap - 4;
  laneWidth = Math.max(TEXT_MIN, Math.min(420, Math.floor(room / Math.max(shownLanes.length, 1))));
  let x = TIME;
  laneX = [];
  for (const lane of shownLanes) {
    laneX[lane] = x + Math.min(data.lanes[lane].slots, 12) * SLOT;
    x = laneX[lane] + laneWidth + gap;
  }
  width = x;

  rows = [];
  place = [];
  rowY = [];
  let y = 8, before = null;
  data.rows.forEach(([index, what], at) => {
    const event = data.events[index];
    rowY[at] = y;
    if (!isShown(index)) return;
    const time = what === 2 ? event.u : event.t;
    // A long wait is as long as the zoom makes it.
    if (before !== null && state.zoom > 0) {
      y += Math.min(4000, Math.max(0, (time - before) / 1e6) * state.zoom * state.zoom / 40);
    }
    before = time;
    rowY[at] = y;
    rows.push({index, begins: !!(what & 1), ends: !!(what & 2), y});
    if (!place[index]) place[index] = {top: y, bottom: y + ROW - 4};
    place[index].bottom = y + ROW - 4;
    if (event.a && (what & 2) && what !== 3) place[index].bottom = y + ROW - 4;
    y += ROW;
  });
  data.events.forEach((event, index) => {
    if (event.open && place[index] && event.a) {
      const lane = data.lanes[event.l];
      place[index].bottom = Math.max(place[index].bottom, rowY[Math.min(lane.end, rowY.length - 1)] + 12);
    }
  });
  height = y + 40;
  paper.style.width = width + 'px';
  paper.style.height = height + 'px';
  drawHeads(shownLanes);
  spread();
  draw();
}

// Long calls and arrows reach over many rows, so they are looked up by stretches
// of the page.
const STRETCH = 600;
let stretches = [];
function spread() {
  stretches = [];
  const put = (top, bottom, kind, index) => {
    for (let s = Math.floor(top / STRETCH); s <= Math.floor(bottom / STRETCH); ++s) {
      (stretches[s] = stretches[s] || {call: new Set(), arrow: new Set()})[kind].add(index);
    }
  };
  place.forEach((at, index) => put(at.top, at.bottom, 'call', index));
  data.arrows.forEach((arrow, index) => {
    const from = place[arrow.from], to = place[arrow.to];
    if (from && to) put(Math.min(from.top, to.bottom), Math.max(from.top, to.bottom), 'arrow', index);
  });
}

// Drawing ------------------------------------------------------------------------

function drawHeads(lanes) {
  byId('heads').style.width = width + 'px';
  byId('heads').replaceChildren(...lanes.map((lane) => {
    const head = document.createElement('div');
    head.style.left = laneX[lane] - 2 + 'px';
    head.style.width = laneWidth + 'px';
    const name = document.createElement('b'), pid = document.createElement('span');
    name.textContent = data.lanes[lane].name;
    pid.textContent = `pid ${data.lanes[lane].pid}  ${data.lanes[lane].ending}`;
    head.title = `${name.textContent}, ${pid.textContent}`;
    head.append(name, pid);
    return head;
  }));
}

function color(connection) {
  return connection === undefined || connection < 0 ? 's' : 's' + connection % 8;
}

function escape(text) {
  return text.replace(/[&<>"]/g, (c) => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'})[c]);
}

function visible(kind) {
  const all = new Set();
  const from = Math.max(0, Math.floor((view.scrollTop - 200) / STRETCH));
  const to = Math.floor((view.scrollTop + view.clientHeight + 200) / STRETCH);
  for (let s = from; s <= to; ++s) {
    if (stretches[s]) for (const index of stretches[s][kind]) all.add(index);
  }
  return [...all].sort((a, b) => a - b);
}

function draw() {
  const top = view.scrollTop - 300, bottom = view.scrollTop + view.clientHeight + 300;
  let svg = '<defs>';
  for (const c of ['s', 's0', 's1', 's2', 's3', 's4', 's5', 's6', 's7']) {
    svg += `<marker id="m${c}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" ` +
        `markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8" class="arrow ${c}"/></marker>`;
  }
  svg += '</defs>';
  for (const lane of state.lanes) {
    const {begin, end} = data.lanes[lane];
    const y1 = Math.max(top, rowY[begin]), y2 = Math.min(bottom, (rowY[end] ?? height) + 12);
    if (y1 < y2) svg += `<path class="spine" d="M${laneX[lane]} ${y1}V${y2}"/>`;
  }
  for (const life of data.lives) {
    if (!state.lanes.has(life.l) || life.slot >= 12) continue;
    const y1 = rowY[life.begin] + 5, y2 = (rowY[life.end] ?? height) + 12;
    if (y2 < top || y1 > bottom) continue;
    const x = laneX[life.l] - 6 - life.slot * SLOT;
    svg += `<path class="life ${color(life.c)}${life.closed ? '' : ' open'}" ` +
        `d="M${x} ${Math.max(y1, top)}V${Math.min(y2, bottom)}"/>`;
    if (y1 > top) svg += `<text x="${x - 3}" y="${y1 - 2}">${life.fd}</text>`;
  }
  for (const index of visible('arrow')) svg += drawArrow(index);
  ink.innerHTML = svg;

  const calls = visible('call').map(drawCall);
  const focused = document.activeElement && document.activeElement.dataset.index;
  list.replaceChildren(...calls);
  if (focused !== undefined) {
    const again = list.querySelector(`[data-index="${focused}"]`);
    if (again) again.focus({preventScroll: true});
  }
}

function drawArrow(index) {
  const arrow = data.arrows[index];
  const from = data.events[arrow.from], to = data.events[arrow.to];
  const here = state.current === arrow.from || state.current === arrow.to ? ' strong' : '';
  const style = `arrow ${color(arrow.c)}${arrow.thick ? ' thick' : here}`;
  if (from.l === to.l) return '';
  const right = laneX[from.l] < laneX[to.l];
  const x1 = laneX[from.l] + (right ? laneWidth - 2 : -2), x2 = laneX[to.l] + (right ? -3 : laneWidth - 1);
  const y1 = place[arrow.from].top + 10, y2 = Math.max(place[arrow.to].bottom - 10, y1);
  const label = arrow.label || '';
  const room = Math.floor(laneWidth / 6.2);
  const shown = label.length > room ? label.slice(0, room - 1) + '…' : label;
  return `<path class="${style}" marker-end="url(#m${color(arrow.c)})" d="M${x1} ${y1}L${x2} ${y2}"/>` +
      `<text x="${right ? x2 - 6 : x2 + 8}" y="${y2 - 4}" text-anchor="${right ? 'end' : 'start'}">${escape(shown)}</text>`;
}

function waitWords(event) {
  return event.open ? `waits for ${event.a}` : `waited ${ms(event.u - event.t)} ms for ${event.a}`;
}

function drawCall(index) {
  const event = data.events[index], at = place[index];
  const item = document.createElement('li');
  const time = document.createElement('span');
  time.className = 'time';
  time.style.top = at.top + 'px';
  time.textContent = ms(event.t - origin);
  const call = document.createElement('button');
  call.type = 'button';
  call.className = 'call';
  call.dataset.index = index;
  call.tabIndex = index === state.current || (state.current < 0 && index === rows[0].index) ? 0 : -1;
  if (event.a) call.classList.add('waits');
  if (event.e || event.k === 'signal') call.classList.add('bad');
  if (state.find && matches(index)) call.classList.add('hit');
  if (index === state.current) call.classList.add('now');
  call.style.cssText =
      `left:${laneX[event.l]}px;top:${at.top}px;width:${laneWidth}px;height:${at.bottom - at.top}px`;
  const brief = document.createElement('span');
  brief.textContent = event.b;
  call.append(brief);
  if (event.a && at.bottom - at.top > 30) {
    const words = document.createElement('small');
    words.textContent = waitWords(event);
    call.append(' ', words);
  }
  call.setAttribute('aria-label', `${data.lanes[event.l].name}: ${event.b}${event.a ? ' ' + waitWords(event) : ''}`);
  item.append(time, call);
  return item;
}

// A call, whole ------------------------------------------------------------------

function show(index) {
  const event = data.events[index], box = byId('details');
  const add = (tag, text, name) => {
    const element = document.createElement(tag);
    element.textContent = text;
    if (name) element.className = name;
    box.append(element);
    return element;
  };
  box.replaceChildren();
  box.scrollTop = 0;
  add('h2', event.b);
  add('p', `${data.lanes[event.l].name}, pid ${data.lanes[event.l].pid}, at ${ms(event.t - origin)} ms` +
      (event.u > event.t ? `, for ${ms(event.u - event.t)} ms` : ''));
  if (event.e) add('p', `${event.e}: ${event.w}`, 'bad-text');
  if (event.a) add('p', waitWords(event));
  for (const note of event.o || []) add('p', note);
  const links = [...arriving[index].map((i) => [i, data.arrows[i].from, 'from']),
                 ...leaving[index].map((i) => [i, data.arrows[i].to, 'to'])];
  if (links.length) {
    const items = add('ul', '');
    for (const [i, other, way] of links) {
      const item = document.createElement('li'), link = document.createElement('button');
      link.type = 'button';
      link.textContent = `${data.arrows[i].label || data.arrows[i].k} ${way} ` +
          `${data.lanes[data.events[other].l].name}: ${data.events[other].b}`;
      link.onclick = () => go(other);
      item.append(link);
      items.append(item);
    }
  }
  if (data.meanings[event.n]) add('p', data.meanings[event.n]);
  if (event.x) add('pre', event.x);
  add('p', event.m);
}

// Makes a call the current one, in sight and with the focus.
function go(index) {
  if (index < 0 || !place[index]) return;
  state.current = index;
  const at = place[index];
  if (at.top < view.scrollTop + 10 || at.top > view.scrollTop + view.clientHeight - 90) {
    view.scrollTop = at.top - view.clientHeight / 3;
  }
  draw();
  const call = list.querySelector(`[data-index="${index}"]`);
  if (call) call.focus({preventScroll: true});
  show(index);
}

function step(by, sameLane) {
  const order = rows.filter((row) => row.begins).map((row) => row.index);
  let at = order.indexOf(state.current);
  if (at < 0) return go(order[0]);
  const lane = data.events[state.current].l;
  do at += by; while (sameLane && order[at] !== undefined && data.events[order[at]].l !== lane);
  if (order[at] !== undefined) go(order[at]);
}

// Finding and filtering ------------------------------------------------------------

function matches(index) {
  const event = data.events[index];
  return `${event.b} ${event.x}`.toLowerCase().includes(state.find);
}

function findNext() {
  const hits = rows.filter((row) => row.begins && matches(row.index)).map((row) => row.index);
  byId('found').value = state.find ? `${hits.length} found` : '';
  if (!state.find || !hits.length) return draw();
  const next = hits.find((index) => place[index].top > (place[state.current]?.top ?? -1));
  state.current = next ?? hits[0];
  const at = place[state.current];
  view.scrollTop = at.top - view.clientHeight / 3;
  draw();
  show(state.current);
}

byId('tools').addEventListener('submit', (event) => {
  event.preventDefault();
  findNext();
});
byId('find').addEventListener('input', (event) => {
  state.find = event.target.value.toLowerCase();
  state.current = -1;
  findNext();
});
byId('kind').addEventListener('change', (event) => {
  state.kind = event.target.value;
  layOut();
});
byId('zoom').addEventListener('input', (event) => {
  state.zoom = Number(event.target.value);
  layOut();
});
byId('theme').addEventListener('click', () => document.documentElement.classList.toggle('dark'));
data.lanes.forEach((lane, i) => {
  if (lane.column < 0) return;
  const label = document.createElement('label'), box = document.createElement('input');
  box.type = 'checkbox';
  box.checked = true;
  box.onchange = () => {
    if (box.checked) state.lanes.add(i); else state.lanes.delete(i);
    layOut();
  };
  label.append(box, ' ' + lane.name);
  byId('lanes').append(label);
});

list.addEventListener('click', (event) => {
  const call = event.target.closest('.call');
  if (call) go(Number(call.dataset.index));
});
list.addEventListener('mouseover', (event) => {
  const call = event.target.closest('.call');
  if (call && state.current < 0) show(Number(call.dataset.index));
});
view.addEventListener('keydown', (event) => {
  const keys = {ArrowDown: [1, true], ArrowUp: [-1, true], ArrowRight: [1, false], ArrowLeft: [-1, false]};
  if (keys[event.key]) {
    step(...keys[event.key]);
  } else if (event.key === 'Enter' && state.current >= 0) {
    const out = leaving[state.current].map((i) => data.arrows[i].to).concat(
        arriving[state.current].map((i) => data.arrows[i].from)).filter((i) => place[i]);
    if (!out.length) return;
    go(out[0]);
  } else if (event.key === 'Escape') {
    state.current = -1;
    draw();
  } else {
    return;
  }
  event.preventDefault();
});

let pending = false;
view.addEventListener('scroll', () => {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; draw(); });
});
window.addEventListener('resize', layOut);
const dark = matchMedia('(prefers-color-scheme: dark)');
document.documentElement.classList.toggle('dark', dark.matches);
dark.addEventListener('change', () => document.documentElement.classList.toggle('dark', dark.matches));
for (const warning of data.warnings) {
  const line = document.createElement('p');
  line.textContent = warning;
  document.querySelector('header').append(line);
}
layOut();
