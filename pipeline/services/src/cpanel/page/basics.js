// What the parts of the live page are made with: elements, questions to the panel, polls.
const REQUEST_LIMIT = 8000;

const $ = (id) => document.getElementById(id);
const element = (name, className, text) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};
const svg = (name, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const time = (text) => {
  const made = element("time", "", new Date(text).toLocaleTimeString());
  made.dateTime = made.title = text;
  return made;
};

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { signal: AbortSignal.timeout(REQUEST_LIMIT), ...options });
  } catch {
    throw new Error("no answer");
  }
  const text = await answer.text();
  if (answer.ok) return JSON.parse(text);
  let detail = text.trim();
  try { detail = JSON.parse(text).detail ?? detail; } catch { /* not every refusal is a problem body */ }
  throw new Error(`${answer.status} ${detail}`.slice(0, 200));
}

// Runs `work` now and again; calls in between run it at once. An error is shown in `place`.
function every(pause, place, work) {
  let timer, running = false, again = false;
  const run = async () => {
    clearTimeout(timer);
    if (running) { again = true; return; }
    running = true;
    if (!document.hidden) {
      try {
        await work();
        place.textContent = "";
      } catch (error) {
        place.textContent = error.message;
      }
    }
    running = false;
    timer = setTimeout(run, again ? 200 : pause);
    again = false;
  };
  run();
  return run;
}
