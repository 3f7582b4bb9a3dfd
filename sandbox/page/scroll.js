// What of the room that is open stays in view, and the strip of rooms on narrow screens. page.js says what is new.
"use strict";
const log = document.getElementById("log"), news = document.getElementById("news"), strip = document.getElementById("rooms");
const NEAR = 40;              // px from an end that still count as being there
let followed = log;           // whose end stays in view while text comes: the log, a thread's article, or null
let unseen = null;            // the lowest article whose text came out of sight

// How far below the log's lower edge the end of an article, or of the log itself, is (px; negative: above it).
function below(node) {
  if (node === log) return log.scrollHeight - log.scrollTop - log.clientHeight;
  return node.getBoundingClientRect().bottom - log.getBoundingClientRect().bottom;
}

const inSight = node => below(node) <= NEAR && below(node) >= -log.clientHeight;

// Whose end to follow for what hangs from an article: its own, or the log's when the article stands last or is none.
function flow(article) {
  const last = log.querySelector(":scope > article:last-of-type");
  return !article || article.closest("#log > article") === last ? log : article;
}

// Bring the end of a node into view and keep it there until the reader scrolls away.
function follow(node) {
  followed = node;
  unseen = null;
  if (node !== log && below(node) < -log.clientHeight) log.scrollTop += below(node) + NEAR;
  keep();
}

function keep() {
  if (followed ? !followed.isConnected : below(log) < NEAR) followed = log;   // or so much went that all can be seen
  if (!followed) return;
  if (below(followed) > 0) log.scrollTop += followed === log ? log.scrollHeight : below(followed) + 8;
  notice();
}

// A text came: when its end is further down than the reader sees, the button leads there. Nobody is called back up.
function announce(article) {
  if (below(article) > (unseen ? below(unseen) : NEAR)) unseen = article;
  notice();
}

function notice() {
  if (unseen && (!unseen.isConnected || below(unseen) <= NEAR)) unseen = null;
  news.hidden = !unseen;
}

news.onclick = () => follow(flow(unseen.parentElement.closest("article") || unseen));
log.addEventListener("scroll", () => {
  if (below(log) < NEAR) followed = log;
  else if (!followed || followed === log || !inSight(followed)) followed = null;
  notice();
});
new ResizeObserver(keep).observe(log);   // the box below it grows and shrinks

function fade() {
  strip.classList.toggle("before", strip.scrollLeft > 1);
  strip.classList.toggle("after", strip.scrollLeft + strip.clientWidth < strip.scrollWidth - 1);
}
strip.addEventListener("scroll", fade);
new ResizeObserver(fade).observe(strip);
