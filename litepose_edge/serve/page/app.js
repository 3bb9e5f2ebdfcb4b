// The page: what comes from the board goes to the parts that show it, what is pressed goes back.

import { Actions } from "./actions.js";
import { Announcer } from "./announcer.js";
import { login } from "./board.js";
import { Connection } from "./connection.js";
import { showFigures } from "./figures.js";
import { Frames } from "./frames.js";
import { Layers } from "./layers.js";
import { People } from "./people.js";
import { Settings } from "./settings.js";
import { Stage } from "./stage.js";
import { describe, sentence } from "./states.js";

const TICK_MS = 500;

const byId = (id) => document.getElementById(id);

let phase = { name: "connecting" };
let status = null;
let version = null; // of the board's software
let told = null; // the reason that the board gave for a problem
let count = 0; // people in the frame that is shown

const drawing = document.querySelectorAll(".layers input, #palette");
const layers = new Layers(drawing, (name) => (name === "video" ? switchVideo() : stage.draw()));
const stage = new Stage(byId("picture"), layers);
const people = new People();
const announcer = new Announcer(byId("announcer"));
const frames = new Frames({ shown: showFrame, seen: (index) => connection.seen(index) });
const connection = new Connection({
  phase: showPhase,
  message: receive,
  picture: (index, jpeg) => frames.addPicture(index, jpeg),
});
const settings = new Settings({ status: showStatus, problem: showProblem });
const actions = new Actions(layers, { status: showStatus, problem: showProblem });

function receive(message) {
  if (message.type === "hello") greet(message);
  else if (message.type === "status") showStatus(message);
  else if (message.type === "poses") frames.addPoses(message);
}

function greet(hello) {
  const { min_keypoint_score: least, allow_record: recordable, models, version: current } = hello;
  // After an update of the board its new page takes over.
  if (version !== null && version !== current) location.reload();
  version = current;
  frames.clear();
  stage.model = hello;
  people.least = least;
  settings.models = models;
  actions.recordable = recordable;
  byId("version").textContent = `litepose-edge ${version}`;
}

function showStatus(next) {
  status = next;
  showFigures(status);
  settings.apply(status.controls);
  actions.apply(status.controls);
  if (stage.mirror !== status.controls.mirror) {
    stage.mirror = status.controls.mirror;
    stage.draw();
  }
  write("source", status.source);
  // What is wrong although the stream goes on, such as a model that cannot be loaded.
  const reason = status.state === "running" ? status.reason : null;
  if (reason !== told) {
    told = reason;
    showProblem(reason);
  }
  showState();
}

function showFrame(poses, picture, trails) {
  const { width, height } = poses.image;
  byId("stage").style.aspectRatio = `${width} / ${height}`;
  stage.show(poses, picture, trails);
  people.show(poses.people);
  const first = byId("notice").dataset.over === "nothing";
  if (count !== poses.people.length || first) {
    count = poses.people.length;
    showState();
  }
}

function showPhase(next) {
  phase = next;
  const live = phase.name === "live";
  settings.enabled = live;
  actions.enabled = live;
  showLogin(phase.name === "token");
  if (phase.name === "lost") showFigures({}); // old ones would be taken for new
  showState();
}

function showState() {
  const state = describe(phase, status, { empty: stage.empty, people: count });
  write("state-text", state.pill);
  byId("state").dataset.tone = state.tone;
  const notice = byId("notice");
  // The focus must not vanish with the button that has it.
  if (!state.retry && document.activeElement === byId("retry")) byId("pause").focus();
  notice.hidden = !state.title;
  notice.dataset.over = stage.empty ? "nothing" : "picture";
  write("notice-title", state.title ?? "");
  write("notice-text", state.text ?? "");
  byId("retry").hidden = !state.retry;
  byId("chip").hidden = !state.chip;
  write("chip", state.chip ?? "");
  const crowd = count === 1 ? "1 person" : `${count || "no"} people`;
  const what = layers.video ? "Live picture" : "Skeletons without the picture";
  byId("picture").setAttribute("aria-label", stage.empty ? "No picture yet" : `${what}, ${crowd}`);
  const calm = state.tone === "good";
  document.title = [calm ? "" : state.pill, status?.source, "litepose-edge"].filter(Boolean).join(" – ");
  announcer.update(calm && !stage.empty ? `${state.pill}, ${crowd}` : state.title ?? state.pill);
}

function showLogin(wanted) {
  const shown = !byId("login").hidden;
  byId("login").hidden = !wanted;
  byId("live").hidden = wanted;
  if (wanted && !shown) byId("token").focus();
}

function showProblem(text) {
  byId("problem").hidden = text === null;
  write("problem-text", sentence(text));
}

function switchVideo() {
  connection.video = frames.video = layers.video;
  connection.open();
}

function write(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  write("login-error", "");
  try {
    await login(byId("token").value);
    byId("token").value = "";
    showPhase({ name: "connecting" });
    byId("live").focus();
    connection.open();
  } catch (refusal) {
    write("login-error", refusal.status === 401 ? "This is not the token." : sentence(refusal.message));
    byId("token").select();
  }
});
byId("retry").addEventListener("click", () => connection.open());
byId("problem-close").addEventListener("click", () => showProblem(null));
setInterval(showState, TICK_MS);
connection.video = frames.video = layers.video;
showPhase(phase);
connection.open();
