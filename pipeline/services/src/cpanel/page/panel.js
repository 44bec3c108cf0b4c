// The live page: one feed (/events) for pictures, and a few short polls for what changes slowly.
const POLL = { panel: 3000, cameras: 2000, persons: 3000, alerts: 5000, mesh: 3000 };
const BINS = 30;
// A face that the detector misses for a moment stays covered that long.
const COVERED_FOR = 2000;
// A covered region reaches that many face sizes beyond the face: hair, neck and shoulders.
const MARGIN = 0.6;

// ---- pictures -------------------------------------------------------------------------------------------------

const pixelate = $("pixelate");
const asked = new URLSearchParams(location.search).get("faces");
let remembered = null;
try { remembered = localStorage.getItem("faces"); } catch { /* storage is off: the choice lasts as long as the page */ }
pixelate.checked = (asked ?? remembered) === "pixelated";

// Boxes of the last analyses: [{ camera, at, boxes }]
let sightings = [];

function remember(analysis) {
  const at = Date.parse(analysis.timestamp);
  sightings.push({ camera: analysis.camera, at, boxes: analysis.faces ?? [] });
  sightings = sightings.slice(-300).filter((sighting) => Math.abs(at - sighting.at) < 60000);
}

// What to cover in a picture; null for all of it, where nobody knows where the faces are.
function covered(result) {
  const at = Date.parse(result.timestamp);
  const near = sightings.filter((s) => s.camera === result.camera && Math.abs(at - s.at) <= COVERED_FOR);
  const boxes = near.flatMap((sighting) => sighting.boxes);
  const known = result.persons.length <= (near.find((s) => s.at === at)?.boxes.length ?? 0);
  return known ? boxes : null;
}

async function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const type = bytes[0] === 0x89 ? "image/png" : "image/jpeg";
  return createImageBitmap(new Blob([bytes], { type }));
}

function cover(context, picture, { x, y, width, height }) {
  const left = Math.max(0, x - width * MARGIN), top = Math.max(0, y - height * MARGIN);
  const right = Math.min(picture.width, x + width * (1 + MARGIN));
  const bottom = Math.min(picture.height, y + height * (1 + MARGIN));
  if (right <= left || bottom <= top) return;
  const columns = 6, rows = 8;
  const coarse = new OffscreenCanvas(columns, rows);
  coarse.getContext("2d").drawImage(picture, left, top, right - left, bottom - top, 0, 0, columns, rows);
  context.imageSmoothingEnabled = false;
  context.drawImage(coarse, 0, 0, columns, rows, left, top, right - left, bottom - top);
  context.imageSmoothingEnabled = true;
}

// Draws results one after the other; of those that come meanwhile only the newest.
function painter(canvas, boxesOf) {
  let next = null, busy = false;
  return async function draw(result) {
    next = result;
    if (busy) return;
    busy = true;
    while (next) {
      const current = next;
      next = null;
      try {
        paint(canvas, await decode(current.image), current, boxesOf(current));
      } catch {
        canvas.setAttribute("aria-label", "the picture cannot be read");
      }
    }
    busy = false;
  };
}

function paint(canvas, picture, result, boxes) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  if (pixelate.checked) {
    const whole = [{ x: 0, y: 0, width: picture.width, height: picture.height }];
    const regions = covered(result) ?? whole;
    for (const region of regions) cover(context, picture, region);
  }
  context.lineWidth = Math.max(2, picture.width / 320);
  context.strokeStyle = "#ffd54a";
  for (const box of boxes) context.strokeRect(box.x, box.y, box.width, box.height);
  const faces = pixelate.checked ? "pixelated" : "clear";
  const what = `picture of camera ${result.camera ?? "unknown"}, ${result.persons.length} persons marked, faces ${faces}`;
  canvas.setAttribute("aria-label", what);
  picture.close();
}

const drawAlert = painter($("alert"), () => []);
const drawDetails = painter($("details-picture"), () => []);
const shown = {};

pixelate.addEventListener("change", () => {
  try { localStorage.setItem("faces", pixelate.checked ? "pixelated" : "clear"); } catch { /* as above */ }
  for (const view of views.values()) if (view.analysis) view.draw(view.analysis);
  if (shown.alert) drawAlert(shown.alert);
  if (shown.details) drawDetails(shown.details);
});

function caption(place, result) {
  place.replaceChildren(
    `section ${result.section} · ${result.event} · `, time(result.timestamp),
    result.camera ? ` · ${result.camera}` : "", result["extra-info"] ? ` · ${result["extra-info"]}` : "",
  );
}

// One view a camera, in the order of their first pictures. The page brings the first.
const MOST_VIEWS = 12;
const views = new Map();

function viewOf(camera) {
  const known = views.get(camera);
  if (known) return known;
  const first = $("views").firstElementChild;
  const place = views.size === 0 ? first : first.cloneNode(true);
  if (views.size > 0) {
    place.querySelectorAll("[id]").forEach((part) => part.removeAttribute("id"));
    $("views").append(place);
  }
  const view = {
    draw: painter(place.querySelector("canvas"), (analysis) => analysis.faces ?? []),
    caption: place.querySelector(".caption"),
    persons: place.querySelector(".chips"),
    analysis: null,
  };
  views.set(camera, view);
  return view;
}

function showAnalysis(analysis) {
  remember(analysis);
  if (!views.has(analysis.camera) && views.size >= MOST_VIEWS) return;
  const view = viewOf(analysis.camera);
  view.analysis = analysis;
  view.draw(analysis);
  caption(view.caption, analysis);
  const persons = analysis.persons.map((person) => element("li", "", `${person.gender}, ${person.age}`));
  view.persons.replaceChildren(...persons);
}

function showAlert(alert) {
  shown.alert = alert;
  drawAlert(alert);
  caption($("alert-caption"), alert);
  const names = element("b", "", `${alert.persons.map((person) => person.name).join(", ")} · `);
  $("alert-caption").prepend(names);
  refresh.alerts();
}

// ---- the feed -------------------------------------------------------------------------------------------------

function feedIs(state, text) {
  $("feed").className = `state ${state}`;
  $("feed").textContent = text;
}

function follow(pause = 1000) {
  const feed = new EventSource("/events");
  feed.onopen = () => { pause = 1000; feedIs("on", "live"); };
  feed.onerror = () => {
    feedIs("off", "momentum is away, trying again");
    // The browser comes back by itself after a cut, not after a refusal.
    if (feed.readyState !== EventSource.CLOSED) return;
    setTimeout(() => follow(Math.min(pause * 2, 10000)), pause * (0.5 + Math.random() / 2));
  };
  feed.addEventListener("analysis", (event) => showAnalysis(JSON.parse(event.data)));
  feed.addEventListener("alert", (event) => showAlert(JSON.parse(event.data)));
}

// ---- short polls ----------------------------------------------------------------------------------------------

let registry = null;
async function known() {
  if (registry) return registry;
  const [{ cameras }, { sections }] = await Promise.all([ask("/cameras"), ask("/sections")]);
  registry = { cameras, sections };
  // The registry may be read anew.
  setTimeout(() => { registry = null; }, 10000);
  return registry;
}

async function pollPanel() {
  const panel = await ask("/panel");
  answered.set(panel.instance, panel);
  showResults();
  const off = Object.entries(panel["abilities-off"]);
  $("notices").replaceChildren(...off.map(([name, reason]) => element("p", "notice", `${name} off: ${reason}`)));
}

async function pollCameras() {
  const { cameras } = await known();
  const rows = await Promise.all(cameras.map(async (camera) => {
    const row = element("li");
    const label = element("span", "grow", `${camera.id} · ${camera.type} · section ${camera.section}`);
    let on = false;
    try {
      const state = await ask(`/cameras/${camera.id}/state`);
      on = state.streaming;
      const trouble = on ? state["camera-error"] ?? state["link-error"] : null;
      const text = on ? `streaming, ${state.cycle} frames` : "stopped";
      label.append(" ", element("span", `state ${on && !trouble ? "on" : "waiting"}`, trouble ?? text));
    } catch (error) {
      label.append(" ", element("span", "state off", error.message));
    }
    const button = element("button", "", on ? "Stop" : "Start");
    button.type = "button";
    button.setAttribute("aria-label", `${on ? "Stop" : "Start"} camera ${camera.id}`);
    button.addEventListener("click", () => tell(on ? "off" : "on", `&camera=${camera.id}`));
    row.append(label, button);
    return row;
  }));
  const focused = document.activeElement?.getAttribute("aria-label");
  $("cameras").replaceChildren(...rows);
  if (focused) $("cameras").querySelector(`[aria-label$="${CSS.escape(focused.split(" ").slice(1).join(" "))}"]`)?.focus();
}

async function tell(toggle, camera = "") {
  try {
    await ask(`/production?toggle=${toggle}${camera}`, { method: "POST" });
  } catch (error) {
    $("cameras-error").textContent = error.message;
    return;
  }
  refresh.cameras();
}

function span() {
  const minutes = Number($("span").value);
  const to = new Date();
  return { minutes, from: new Date(to - minutes * 60000), to };
}

async function pollPersons() {
  const { sections } = await known();
  const { from, to } = span();
  const frame = `from=${from.toISOString()}&to=${to.toISOString()}`;
  const lists = await Promise.all(sections.map((section) => ask(`/sections/${section.id}/persons?${frame}`)));
  const persons = lists.flatMap((list) => list.persons);
  chart(persons, from, to);
}

function chart(persons, from, to) {
  const bins = Array.from({ length: BINS }, () => ({ entry: 0, exit: 0 }));
  const totals = { entry: 0, exit: 0 };
  for (const person of persons) {
    const share = (Date.parse(person.timestamp) - from) / (to - from);
    const bin = bins[Math.min(BINS - 1, Math.max(0, Math.floor(share * BINS)))];
    bin[person.event] += 1;
    totals[person.event] += 1;
  }
  $("entries").textContent = totals.entry;
  $("exits").textContent = totals.exit;
  const most = Math.max(1, ...bins.flatMap((bin) => [bin.entry, bin.exit]));
  const width = 900 / BINS, middle = 120, most_high = 112;
  const bars = bins.flatMap((bin, index) => ["entry", "exit"].filter((event) => bin[event] > 0).map((event) => {
    const height = bin[event] / most * most_high;
    const y = event === "entry" ? middle - height : middle;
    const bar = svg("rect", { class: event, x: index * width + 2, y, width: width - 4, height });
    const title = svg("title", {});
    title.textContent = `${bin[event]} ${event}`;
    bar.append(title);
    return bar;
  }));
  $("chart").replaceChildren(svg("line", { x1: 0, x2: 900, y1: middle, y2: middle }), ...bars);
  const label = `${totals.entry} entries (upwards) and ${totals.exit} exits (downwards), at most ${most} a bar`;
  $("chart").setAttribute("aria-label", label);
  $("chart-from").textContent = from.toLocaleTimeString();
  $("chart-to").textContent = `${to.toLocaleTimeString()} · highest bar: ${most}`;
}

async function pollAlerts() {
  const { from, to } = span();
  const { alerts } = await ask(`/alerts/?from=${from.toISOString()}&to=${to.toISOString()}`);
  $("alarms").textContent = alerts.length;
  const newest = [...alerts].sort((a, b) => b.id - a.id).slice(0, 50);
  const rows = newest.map((alert) => {
    const row = element("li");
    const names = element("button", "link", alert.persons.map((person) => person.name).join(", "));
    names.type = "button";
    names.addEventListener("click", () => details(alert.id));
    row.append(element("span", "quiet", `#${alert.id}`), names,
      element("span", "grow", `section ${alert.section} · ${alert.event}`), time(alert.timestamp));
    return row;
  });
  $("alerts").replaceChildren(...(rows.length ? rows : [element("li", "quiet", "none in this time")]));
}

async function details(id) {
  try {
    const alert = await ask(`/alerts/${id}`);
    shown.details = alert;
    $("details-title").textContent = `Alert ${id}: ${alert.persons.map((person) => person.name).join(", ")}`;
    caption($("details-text"), alert);
    const still = alert["still-in-section"];
    if (still !== undefined) $("details-text").append(still ? " · still in the section" : " · has left the section");
    drawDetails(alert);
    $("details").showModal();
  } catch (error) {
    $("alerts-error").textContent = error.message;
  }
}

const refresh = {
  panel: every(POLL.panel, element("p"), pollPanel),
  cameras: every(POLL.cameras, $("cameras-error"), pollCameras),
  persons: every(POLL.persons, $("passed-error"), pollPersons),
  alerts: every(POLL.alerts, $("alerts-error"), pollAlerts),
};
if ($("mesh").dataset.view === "on") refresh.mesh = every(POLL.mesh, $("mesh-error"), pollMesh);
$("span").addEventListener("change", () => { refresh.persons(); refresh.alerts(); });
$("start-all").addEventListener("click", () => tell("on"));
$("stop-all").addEventListener("click", () => tell("off"));
document.addEventListener("visibilitychange", () => { if (!document.hidden) Object.values(refresh).forEach((run) => run()); });
follow();
