// The page's script. It makes no markup out of text: elements are made one by one, texts are put in as text.
"use strict";
const el = id => document.getElementById(id);
const make = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};
const TAGS = new Set(("p h1 h2 h3 h4 h5 h6 ul ol li blockquote table thead tbody tr th td strong em s u a span " +
  "pre code br hr").split(" "));
const SAFE = /^(https?|mailto):/i;
const rooms = new Map();      // "slack C1" -> {platform, room, button}
const nodes = new Map();      // message id -> article, of the room that is open
let open = null, thread = null, madeUp = false;

async function call(path, body) {
  const options = body && {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  const answer = await fetch(path, options || {});
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error || answer.statusText);
  return data;
}

async function attempt(action) {
  el("problem").textContent = "";
  try { return await action(); } catch (error) { el("problem").textContent = error.message; }
}

// Bring `parent` to the nodes of a drawing, touching only what differs: what was selected, scrolled or uncovered stays so.
function draw(parent, nodes) {
  nodes.forEach((node, at) => {
    const there = parent.childNodes[at];
    if (typeof node === "string") {
      if (!there) parent.append(node);
      else if (there.nodeType !== Node.TEXT_NODE) there.replaceWith(node);
      else if (there.data !== node) there.data = node;
      return;
    }
    const element = there && there.localName === node.tag ? there : make(TAGS.has(node.tag) ? node.tag : "span");
    dress(element, node);
    draw(element, node.inside);
    if (!there) parent.append(element);
    else if (there !== element) there.replaceWith(element);
  });
  while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
}

function dress(element, node) {
  const wanted = {};
  if (node.class) wanted.class = node.class;
  if (node.label) wanted["data-label"] = node.label;
  if (node.start > 1) wanted.start = node.start;
  if (node.tag === "a" && SAFE.test(node.href)) Object.assign(wanted, {href: node.href, target: "_blank", rel: "noopener noreferrer"});
  if (node.class === "spoiler") Object.assign(wanted, {role: "button", tabindex: 0, "aria-label": "spoiler",
    "aria-expanded": element.getAttribute("aria-expanded") || "false"});
  for (const name of element.getAttributeNames()) if (!(name in wanted)) element.removeAttribute(name);
  for (const [name, value] of Object.entries(wanted)) if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

function list(platforms) {
  el("rooms").replaceChildren();
  for (const platform of platforms) {
    el("rooms").append(make("h2", "", platform.title));
    for (const room of platform.rooms) {
      const key = `${platform.name} ${room.id}`;
      const button = make("button", "", room.direct ? `${room.name} to ${platform.bot.name}` : `# ${room.name}`);
      button.type = "button";
      button.title = room.about;
      button.classList.toggle("unread", Boolean(rooms.get(key)?.button.classList.contains("unread")));
      button.onclick = () => attempt(() => show(key));
      if (open === key) button.setAttribute("aria-current", "true");
      rooms.set(key, {platform, room, button});
      el("rooms").append(button);
    }
  }
  fade();
}

async function refresh() {
  list((await call("/api/state")).platforms);
}

async function show(key) {
  const {platform, room} = rooms.get(key);
  const {messages} = await call(`/api/${platform.name}/messages?room=${encodeURIComponent(room.id)}`);
  for (const each of rooms.values()) each.button.removeAttribute("aria-current");
  rooms.get(key).button.setAttribute("aria-current", "true");
  rooms.get(key).button.classList.remove("unread");
  rooms.get(key).button.scrollIntoView({block: "nearest", inline: "nearest"});
  open = key;
  document.documentElement.dataset.platform = platform.name;
  location.hash = encodeURIComponent(key);
  nodes.clear();
  log.replaceChildren();
  el("title").textContent = `${platform.title} · ${room.direct ? "direct message with " + platform.bot.name : "#" + room.name}`;
  document.title = `${room.direct ? room.name : "#" + room.name} · ${platform.title} · firsttoken sandbox`;
  el("about").textContent = room.about;
  el("about").hidden = !room.about;
  el("bot").textContent = "@" + platform.bot.name;
  el("user").replaceChildren(...platform.people.filter(p => room.people.includes(p.id)).map(p => new Option(p.name, p.id)));
  el("mentions").hidden = room.direct;
  aim(null);
  messages.forEach(place);
  if (!messages.length) hint(platform, room);
  follow(log);
}

function hint(platform, room) {
  const box = make("div");
  box.id = "hint";
  const say = text => box.append(make("p", "", text));
  const bot = platform.bot.name;
  if (!room.bot) say(`Nothing written here is answered: ask in another channel, or write ${bot} a direct message.`);
  else say(`Ask ${bot} something below. Its answer appears ${room.direct ? "here" : "in the thread of your message"} and grows while it is written; “reply” goes on with the conversation.`);
  if (room.bot && madeUp) {
    say("Claude is a stand-in here and makes its answers up. Words in your question steer it: short, long, very long, code, table, list, think.");
    say("To see an answer break and begin again, write fault:drop@200 into it.");
  }
  log.append(box);
}

function aim(id) {
  thread = id;
  const {platform} = rooms.get(open);
  el("text").placeholder = `${id === null ? `Ask ${platform.bot.name}` : "Go on in the thread"} (Enter sends, Shift+Enter begins a line)`;
  el("target").hidden = id === null;
  el("mention").checked = id === null;
  if (id !== null) el("root").textContent = nodes.get(id).querySelector(".text").textContent.slice(0, 60);
}

function place(message) {
  if (el("hint")) el("hint").remove();
  let node = nodes.get(message.id);
  if (!node) {
    node = make("article");
    node.append(avatar(message.author), make("div", "head"), make("div", "text"), make("div", "replies"));
    nodes.set(message.id, node);
    const root = message.thread !== null && nodes.get(message.thread);
    const box = root ? root.querySelector(".replies") : log;
    box.insertBefore(node, box.querySelector(":scope > .status"));   // a status stands last
    if (message.bot) root ? settle(message.thread) : settle(null);
  }
  if (Number(node.dataset.versions) > message.versions) return;
  node.dataset.versions = message.versions;
  node.className = (message.bot ? "bot" : "person") + (message.gone ? " deleted" : "");
  draw(node.querySelector(".text"), message.gone ? [message.gone] : message.drawn);
  fill(node.querySelector(".head"), message);
}

function avatar(name) {
  const node = make("div", "avatar", [...name][0].toUpperCase());
  node.setAttribute("aria-hidden", "true");
  node.style.setProperty("--hue", [...name].reduce((sum, letter) => sum * 31 + letter.codePointAt(0), 7) % 360);
  return node;
}

function fill(head, message) {
  const edits = message.versions - 1;
  head.replaceChildren(make("b", "", message.author));
  if (message.bot) head.append(make("span", "badge", "APP"));
  head.append(make("span", "", new Date(message.at * 1000).toLocaleTimeString()));
  const note = (className, text, title) => { head.append(make("span", className, text)); head.lastChild.title = title; };
  const seconds = (message.changed - message.at).toFixed(1);
  if (edits) note("", `${edits} edit${edits > 1 ? "s" : ""}, ${seconds} s`,
    `How often the text was changed since it was posted, and how long after that the last change came: ${edits} times, ${seconds} seconds`);
  if (message.pings.length) note("pings", "pings " + message.pings.join(" "),
    "Whom this message notified, in any of its versions: mentions in it that the platform takes as such");
  if (message.gone) return;
  const act = (name, action) => {
    const button = make("button", name, name);
    button.type = "button";
    button.onclick = () => attempt(action);
    head.append(button);
  };
  const where = {channel: message.channel, id: message.id};
  act("reply", () => { aim(message.thread !== null && nodes.has(message.thread) ? message.thread : message.id); el("text").focus(); });
  if (!message.bot) act("edit", async () => {
    const text = prompt("New text", message.text);
    if (text !== null) await call(`/api/${message.platform}/edit`, {...where, text});
  });
  act("delete", () => call(`/api/${message.platform}/delete`, where));
}

function settle(root) {
  const old = document.querySelector(`.status[data-thread="${CSS.escape(root || "")}"]`);
  if (old) old.remove();
}

function status(change) {
  settle(change.thread);
  const root = change.thread === null ? null : nodes.get(change.thread);
  if (!change.text || (change.thread !== null && !root)) return;
  const line = make("div", "status", `${rooms.get(open).platform.bot.name} ${change.text}`);
  line.dataset.thread = change.thread || "";
  line.title = change.until;
  (root ? root.querySelector(".replies") : log).append(line);
  setTimeout(() => line.remove(), change.seconds * 1000);
}

async function heard(change) {
  const key = `${change.platform} ${change.room}`;
  if (!rooms.has(key)) await refresh();
  if (key === open) {
    change.kind === "status" ? status(change) : place(change);
    keep();
    if (change.kind === "message" && !change.gone) announce(nodes.get(change.id));
  } else if (change.kind === "message" && rooms.has(key)) rooms.get(key).button.classList.add("unread");
}

const uncover = event => {
  const spoiler = event.target.closest(".spoiler");
  if (!spoiler || (event.type === "keydown" && event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  spoiler.setAttribute("aria-expanded", String(spoiler.getAttribute("aria-expanded") !== "true"));
};
log.addEventListener("click", uncover);
log.addEventListener("keydown", uncover);
el("leave").onclick = () => aim(null);
el("text").onkeydown = event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); el("composer").requestSubmit(); }
};
async function send(path, body, where) {
  try {
    await call(path, body);
  } catch (error) {
    el("text").value = [body.text, el("text").value].filter(Boolean).join("\n");
    throw error;
  }
  if (open === where) follow(flow(nodes.get(body.thread)));
}

let sent = Promise.resolve();   // one after the other, in the order in which they were written
el("composer").onsubmit = event => {
  event.preventDefault();
  const {platform, room} = rooms.get(open);
  const body = {room: room.id, user: el("user").value, text: el("text").value, thread,
    mention: !room.direct && el("mention").checked};
  if (!body.text.trim()) return;
  el("text").value = "";   // at once: what is sent is not there to be sent again
  const where = open;
  sent = sent.then(() => attempt(() => send(`/api/${platform.name}/say`, body, where)));
};

attempt(async () => {
  const state = await call("/api/state");
  madeUp = state.made_up;
  list(state.platforms);
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (rooms.size) await show(rooms.has(wanted) ? wanted : rooms.keys().next().value);
  const changes = new EventSource(`/api/changes?since=${state.next - 1}`);
  changes.onmessage = event => heard(JSON.parse(event.data));
  changes.onopen = () => { el("gone").hidden = true; };
  changes.onerror = () => { el("gone").hidden = false; };
});
