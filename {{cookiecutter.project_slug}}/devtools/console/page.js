// Shows the console's data about the service. Each string becomes a text node, so that no string can be markup.
"use strict";
const POINTS = 60, KEPT = 100, SVG = "http://www.w3.org/2000/svg", history = new Map(), shown = new Map();
const find = id => document.getElementById(id);
let boot = "", newest = 0;

function make(tag, children = [], attributes = {}, space = "http://www.w3.org/1999/xhtml") {
  const element = document.createElementNS(space, tag);
  element.append(...[children].flat());
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
const row = (cells, at) => make("tr", cells.map(cell => make(at ? "td" : "th", cell)));  // the first row is the table's header
const breakable = name => name.split(/(?<=[._])/).flatMap(part => [part, make("wbr")]);  // after each dot and underscore
const folded = (title, text) => make("details", [make("summary", title), make("pre", text)]);

// Redraws a part of the page only when its data has changed, so that focus, selection and open details stay.
function draw(id, data, build) {
  const text = JSON.stringify(data), focused = document.activeElement.id;
  if (shown.get(id) === text) return;
  shown.set(id, text);
  find(id).replaceChildren(...data.map(build));
  find(focused)?.focus();
}

async function post(wanted) {
  const answer = await fetch("flip", {method: "POST", body: JSON.stringify(wanted)});
  find("said").textContent = answer.ok ? "" : await answer.text();
}

function say(id, text, isGood) {
  Object.assign(find(id), {textContent: text, className: isGood ? "good" : "bad"});
}

function fieldset({name, states, state}) {
  const key = one => ({id: encodeURI(`${name}/${one}`), name, value: one, "aria-pressed": one === state});
  return make("fieldset", [make("legend", name), ...states.map(one => make("button", one, key(one)))], {"data-name": name});
}

function card({name, value, limit, text, note}) {
  const values = [...history.get(name) ?? [], value].slice(-POINTS), top = Math.max(limit ?? 0, ...values) || 1;
  history.set(name, values);
  const points = values.map((one, at) => `${POINTS - values.length + at},${(20 - 19 * one / top).toFixed(1)}`);
  const line = make("polyline", [], {points: points.join(" ")}, SVG);
  const plot = make("svg", line, {viewBox: "0 0 59 20", preserveAspectRatio: "none"}, SVG);
  const state = limit && value >= limit ? "full" : values.some(Boolean) || /[1-9]/.test(note) ? "" : "idle";
  return make("article", [make("h3", breakable(name)), make("b", text), plot, make("small", note)], {class: state});
}

function requestRow(one) {
  const status = make("span", one.status ?? "none", {class: one.status < 400 ? "good" : "bad"});
  const statements = one.statements ? folded(one.statements, one.sql.join("\n\n")) : "0";
  return row([one.at, status, one.milliseconds, `${one.method} ${one.path}`, one.route, statements, one.timing], 1);
}

function show(frame) {
  if (boot !== frame.boot) {  // the service has restarted, and numbers its requests from 1
    newest = 0;
    find("requests").replaceChildren();
  }
  boot = frame.boot;
  find("service").textContent = document.title = `${frame.service}: console`;
  find("migrations").textContent = frame.migrations;
  find("summary").textContent = frame.load;
  say("ready", frame.not_ready.join(", ") || "ready", !frame.not_ready.length);
  draw("switches", frame.switches, fieldset);
  find("gauges").replaceChildren(...frame.gauges.map(card));
  find("requests").prepend(...frame.requests.filter(one => one.number > newest).map(requestRow).reverse());
  while (find("requests").rows.length > KEPT) find("requests").lastChild.remove();
  newest = Math.max(newest, ...frame.requests.map(one => one.number));
  draw("stalls", frame.stalls.toReversed(), one => folded(`${one.at}  ${one.milliseconds} ms  ${one.what}`, one.stack));
  draw("links", frame.links, link => make("a", link, {href: link}));
  draw("settings", frame.settings, row);
  draw("routes", frame.routes, row);
  draw("paths", frame.routes.slice(1), ([, path]) => make("option", [], {value: path}));
}

find("switches").onclick = ({target: {name, value}}) => value && post({name, state: value});
find("load").onsubmit = event => {
  event.preventDefault();
  post({load: event.target.elements.path.value});
};

// EventSource reconnects after a lost connection, but not after an error response: a timer then opens a new stream.
function follow() {
  const stream = new EventSource("events");
  stream.onopen = () => say("connection", "connected", true);
  stream.onmessage = event => show(JSON.parse(event.data));
  stream.onerror = () => {
    say("connection", "connection lost, trying again", false);
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 1000);
  };
}
follow();
